import { createHmac } from 'node:crypto';
import type { Letter } from './inbox.ts';

/** How long the application may take (ms). */
const PATIENCE = 10_000;
/** The largest answer that is sent to the browser (bytes). */
const MAX_ANSWER = 1_048_576;

export interface InboxRequestOptions {
  url: string;
  /** Without it requests are not signed. */
  secret: string | undefined;
}

/**
 * Forwards one letter to the application.
 *
 * @returns the body of the answer
 * @throws Error with the reason, if the application has not taken the letter
 */
export async function forward(
  { id, time, session, user, data }: Letter,
  { url, secret }: InboxRequestOptions,
  signal: AbortSignal,
): Promise<string> {
  const body = JSON.stringify({ id, time, session, user, data });
  const seconds = Math.floor(Date.now() / 1000);
  const headers = {
    'Content-Type': 'application/json',
    'Idempotency-Key': id,
    ...(secret !== undefined && { 'Sisyphus-Signature': signatureOf(body, secret, seconds) }),
  };
  const whole = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  const response = await fetch(url, { method: 'POST', headers, body, signal: whole, redirect: 'manual' });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the application answered ${response.status}: expected 200 to 299`);
  }
  return textOf(response);
}

/** @param seconds since 1970 */
export function signatureOf(body: string, secret: string, seconds: number): string {
  const code = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${code}`;
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAX_ANSWER) throw new Error(`the answer is too large: expected up to ${MAX_ANSWER} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
