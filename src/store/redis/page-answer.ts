import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';

/** What a channel has behind what was read of it. */
export interface State {
  /** The id of its last message, where it was not known what comes next. */
  head: Position;
  /** The id of the next message that is kept, `BEGINNING` where there is none; `undefined` where it was not looked for. */
  next: Position | undefined;
  /** The size of that, with its envelope. */
  bytes: number;
  /** The id of the message before that. */
  previous: Position;
  revision: number;
}

/** What `sisyphus_read` answers. */
export interface PageAnswer {
  /** Redis's clock (us). */
  now: number;
  /** Of each channel that was looked at: `nothing` came after what the reader has, it is `unknown`, it is the `same` as it was, or another one. */
  states: (State | 'nothing' | 'unknown' | 'same')[];
  /** The number of the channel, from 1 on, and the envelope. */
  entries: [number, Buffer][];
  /** Of all envelopes. */
  bytes: number;
  /** Of a channel that is unknown nothing was published since then. */
  knownSince: Position;
}

const WORDS: Record<string, 'nothing' | 'unknown' | 'same'> = { '-': 'nothing', '!': 'unknown', '=': 'same' };

/** @throws TypeError where it is none */
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
