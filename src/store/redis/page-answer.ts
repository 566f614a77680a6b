import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';

/** The rest of a channel, after the messages that were read. */
export interface State {
  /** The id of the channel's last message, if the call did not know the next message. */
  head: Position;
  /** The id of the next message that is kept, `BEGINNING` if there is none; `undefined` if it was not looked for. */
  next: Position | undefined;
  /** The size of the next message with its envelope (bytes). */
  bytes: number;
  /** The id of the message before the next one. */
  previous: Position;
  revision: number;
}

/** The answer of `sisyphus_read`. */
export interface PageAnswer {
  /** Redis's clock (us). */
  now: number;
  /**
   * For each channel that was looked at: `nothing` came after the reader's position, the channel is `unknown`, its state is the
   * `same` as before, or the new state.
   */
  states: (State | 'nothing' | 'unknown' | 'same')[];
  /** The number of the channel in the call, from 1, and the envelope. */
  entries: [number, Buffer][];
  /** The size of all envelopes. */
  bytes: number;
  /** On a channel that is `unknown`, nothing was published since then. */
  knownSince: Position;
}

const WORDS: Record<string, 'nothing' | 'unknown' | 'same'> = { '-': 'nothing', '!': 'unknown', '=': 'same' };

/** @throws TypeError if this is no answer of `sisyphus_read` */
export function parseAnswer(answer: unknown): PageAnswer {
  const [now, states, page, since] = answer as [Buffer, Buffer, (number | Buffer)[], Buffer];
  if (!Array.isArray(page)) throw new TypeError('sisyphus_read: expected [now, states, page, known since]');
  const entries: [number, Buffer][] = [];
  let bytes = 0;
  for (let i = 0; i + 1 < page.length; i += 2) {
    const envelope = page[i + 1] as Buffer;
    entries.push([Number(page[i]), envelope]);
    bytes += envelope.length;
  }
  const knownSince = parsePosition(since.toString('latin1')) ?? BEGINNING;
  return { now: Number(now), states: parseStates(states.toString('latin1')), entries, bytes, knownSince };
}

function parseStates(text: string): PageAnswer['states'] {
  const words = text.split(' ');
  const states: PageAnswer['states'] = [];
  for (let i = 0; i < words.length; ) {
    const word = WORDS[words[i] ?? ''];
    if (word) {
      states.push(word);
      i++;
      continue;
    }
    states.push({
      head: parsePosition(words[i] ?? '') ?? BEGINNING,
      next: parsePosition(words[i + 1] ?? ''),
      bytes: Number(words[i + 2]),
      previous: parsePosition(words[i + 3] ?? '') ?? BEGINNING,
      revision: Number(words[i + 4]),
    });
    i += 5;
  }
  return states;
}
