import { reasonOf } from './reason.ts';

/** Where a gateway is looked for if none is named. */
export const DEFAULT_URL = 'http://127.0.0.1:3001';
/** How long a gateway may take for the whole answer (ms). */
const PATIENCE = 10_000;

type Answer = Record<string, unknown>;

/**
 * Asks a gateway for JSON. `/readyz` answers 503 with JSON, so any status is taken that has no member `error`.
 * @throws Error with what the gateway said, or why it cannot be reached
 */
export async function askGateway(url: string, secret?: string): Promise<Answer> {
  const headers: Record<string, string> = { Accept: 'application/json', Connection: 'close' };
  if (secret !== undefined) headers.Authorization = `Bearer ${secret}`;
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(url, { headers, redirect: 'error', signal }).catch((error: unknown) => {
    throw new Error(`cannot reach ${url} (${reasonOf(error)})`, { cause: error });
  });
  const text = await response.text();
  const answer = parse(text);
  if (answer && answer.error === undefined) return answer;
  const said = typeof answer?.message === 'string' ? answer.message : JSON.stringify(text.slice(0, 200));
  throw new Error(`${url} answered ${response.status}: ${said}`);
}

function parse(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Answer) : undefined;
  } catch {
    // The server is no gateway; the caller quotes what it said.
    return undefined;
  }
}
