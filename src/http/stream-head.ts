import type { ResponseHead } from '../connection/response-head.ts';
import { corsHeaders } from './middleware/cors.ts';
import { Origins } from './origins.ts';
import { utcDate } from './utc-date.ts';

export const STREAM_HEADERS = {
  // The type comes first: over plain HTTP Chromium takes a truncated head for a whole one, and gives up for good if the type is
  // missing (measured with version 156).
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform',
  // Without this header nginx would hold back the first byte for 4 s.
  'X-Accel-Buffering': 'no',
  // This header asks every intermediary to forward data as it arrives (draft-ietf-httpbis-incremental).
  Incremental: '?1',
  // A script of another site must not be able to load a stream as a script.
  'X-Content-Type-Options': 'nosniff',
  // The body has no length and no chunks: it ends with the connection.
  Connection: 'close',
};

/** The response heads of streams. They are cached by origin for one second, because they carry the date. */
export class StreamHeads {
  readonly #origins: Origins;
  readonly #heads = new Map<string | undefined, ResponseHead>();
  #date = '';

  constructor(origins: readonly string[]) {
    this.#origins = new Origins(origins);
  }

  for(origin: string | undefined): ResponseHead {
    const date = utcDate();
    if (date !== this.#date) this.#heads.clear();
    this.#date = date;
    const known = origin !== undefined && this.#origins.has(origin) ? origin : undefined;
    let head = this.#heads.get(known);
    if (!head) {
      const headers = { ...STREAM_HEADERS, ...corsHeaders(this.#origins, known), Date: date };
      head = { status: 200, headers };
      this.#heads.set(known, head);
    }
    return head;
  }
}
