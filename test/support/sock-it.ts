import { PUBLISH_SECRET } from './publisher.ts';

/** An answer below `/sock.it/`. */
export interface Answer {
  status: number;
  text: string;
  headers: Headers;
}

interface Asking {
  body?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A POST below `/sock.it/`, as a browser sends it. */
export async function post(url: string, path: string, { body, headers = {}, signal }: Asking = {}): Promise<Answer> {
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const response = await fetch(`${url}/sock.it/${path}`, {
    method: 'POST',
    headers: { ...type, ...headers },
    ...(body !== undefined && { body }),
    ...(signal && { signal }),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** Begins a session. */
export async function begin(url: string, query = '', headers: Record<string, string> = {}): Promise<string> {
  const { status, text } = await post(url, `poll-start${query}`, { headers });
  const [, session] = /^poll-start=([a-z0-9-]+)$/.exec(text) ?? [];
  if (status !== 200 || session === undefined) throw new Error(`no session: ${status} ${text}`);
  return session;
}

/** The messages that one poll gets. */
export async function pollOnce(
  url: string,
  session: string,
  asking: Asking & { query?: string } = {},
): Promise<string[]> {
  const { status, text } = await post(url, `${session}/poll${asking.query ?? ''}`, asking);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return JSON.parse(text) as string[];
}

/** What the application sends to a session. */
export function sendTo(url: string, session: string, messages: string[]): Promise<Answer> {
  const headers = { Authorization: `Bearer ${PUBLISH_SECRET}`, 'Content-Type': 'application/json' };
  return post(url, `${session}/send`, { body: JSON.stringify(messages), headers });
}
