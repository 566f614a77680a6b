import { expect } from 'chai';

export interface RtItem {
  /** A revision. */
  id: number;
  payload?: unknown;
}

export interface RtChannel {
  status: 'ok' | 'reset' | 'failure';
  msg: RtItem[];
}

export type RtAnswer = Record<string, RtChannel>;

/** The pairs of a poll, as they stand in an address or in a form. */
export function pairsOf(seen: Iterable<[string, number]>): string {
  return [...seen].map(([channel, revision]) => `c=${encodeURIComponent(channel)}&m=${revision}`).join('&');
}

/** One poll that is answered with 200; the headers are looked at, too. */
export async function askRt(
  url: string,
  query: string,
  init: RequestInit = {},
): Promise<RtAnswer & { [position]?: string | null }> {
  const response = await fetch(`${url}/rt?${query}`, init);
  const text = await response.text();
  expect(response.status, text).to.equal(200);
  expect(response.headers.get('cache-control')).to.equal('no-store');
  expect(response.headers.get('content-type')).to.match(/^application\/json/);
  const answer = JSON.parse(text) as RtAnswer & { [position]?: string | null };
  Object.defineProperty(answer, position, { value: response.headers.get('sisyphus-position') });
  return answer;
}

/** Of an answer: the position at which a stream may begin. */
export const position = Symbol('position');

/** What a client of `/rt` keeps: of each channel the last revision, and what came. */
export class RtClient {
  readonly seen: Map<string, number>;
  readonly payloads = new Map<string, unknown[]>();
  /** By channel, the revisions that resets have led over: from the first that is missing up to the last. */
  readonly gaps: { channel: string; from: number; to: number }[] = [];
  /** What should not be: a message twice, or out of order, or one left out without a reset. */
  readonly faults: string[] = [];
  polls = 0;

  constructor(channels: Iterable<string>) {
    this.seen = new Map([...channels].map((channel) => [channel, 0]));
    for (const channel of this.seen.keys()) this.payloads.set(channel, []);
  }

  get query(): string {
    return pairsOf(this.seen);
  }

  take(answer: RtAnswer): void {
    this.polls++;
    for (const [channel, { status, msg }] of Object.entries(answer)) {
      if (status === 'failure') this.faults.push(`${channel}: ${status}`);
      for (const { id, payload } of msg) this.#take(channel, status, id, payload);
    }
  }

  #take(channel: string, status: string, id: number, payload: unknown): void {
    const seen = this.seen.get(channel)!;
    if (status === 'reset') this.gaps.push({ channel, from: seen + 1, to: id - 1 });
    else if (id !== seen + 1 && seen > 0) this.faults.push(`${channel}: ${id} after ${seen}`);
    this.seen.set(channel, id);
    if (payload !== undefined) this.payloads.get(channel)!.push(payload);
  }
}
