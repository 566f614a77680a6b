import { reasonOf } from './reason.ts';

/** How long a gateway may take for the whole answer (ms). */
const PATIENCE = 10_000;

type Answer = Record<string, unknown>;

/**
 * Asks a gateway for JSON. `/readyz` answers 503 with JSON, so any status is taken that has no member `error`.
 * @throws Error with what the gateway said, or why it cannot be reached
 */
export async function askGateway(
  url: string,
  { secret, patience = PATIENCE }: { secret?: string; patience?: number } = {},
): Promise<Answer> {
  const headers: Record<string, string> = { Accept: 'application/json', Connection: 'close' };
  if (secret !== undefined) headers.Authorization = `Bearer ${secret}`;
  const signal = AbortSignal.timeout(patience);
  const response = await fetch(url, { headers, redirect: 'error', signal }).catch((error: unknown) => {
    throw new Error(`cannot reach ${url} (${reasonOf(error)})`, { cause: error });
  });
  const text = await response.text();
  const answer = parse(text);
  if (answer && answer.error === undefined) return answer;
  const said = messageOf(text) ?? JSON.stringify(text.slice(0, 200));
  throw new Error(`${url} answered ${response.status}: ${said}`);
}

/** What a gateway says in an answer that is an error; `undefined` if the text is none of a gateway. */
export function messageOf(text: string): string | undefined {
  const message = parse(text)?.message;
  return typeof message === 'string' ? message : undefined;
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
