import { SisyphusError } from '../errors.ts';
import { requireChannel } from '../message/names.ts';

/** The most channels of one poll. */
export const MOST_CHANNELS = 5000;

const REVISION = /^\d{1,16}$/;

/**
 * Reads the pairs of a long poll: `c` names a channel, and the `m` behind it the revision of the last message that the client has of it.
 * Without `m`, or with an empty one, it has none. Other parameters are ignored.
 *
 * @returns by channel the revision, 0 if there is none; the smaller one if a channel is named twice
 * @throws SisyphusError `bad_request`, `bad_channel`, `too_large`
 */
export function readPairs(parameters: Iterable<[string, string]>): Map<string, number> {
  const seen = new Map<string, number>();
  let pair: { channel: string; revision: number | undefined } | undefined;
  const take = (): void => {
    if (!pair) return;
    const { channel, revision = 0 } = pair;
    seen.set(channel, Math.min(revision, seen.get(channel) ?? revision));
  };
  for (const [name, value] of parameters) {
    if (name === 'c') {
      take();
      pair = { channel: requireChannel(value), revision: undefined };
    } else if (name === 'm') {
      if (!pair || pair.revision !== undefined) {
        throw new SisyphusError('bad_request', `m=${shown(value)} follows no c: expected pairs such as c=127&m=1`);
      }
      pair.revision = revisionOf(pair.channel, value);
    }
  }
  take();
  if (seen.size === 0) throw new SisyphusError('bad_request', 'no channel is named: expected pairs such as c=127&m=1');
  if (seen.size > MOST_CHANNELS) {
    throw new SisyphusError('too_large', `${seen.size} channels are named: expected up to ${MOST_CHANNELS}`);
  }
  return seen;
}

function revisionOf(channel: string, text: string): number {
  if (text === '') return 0;
  const revision = Number(text);
  if (REVISION.test(text) && Number.isSafeInteger(revision)) return revision;
  throw new SisyphusError(
    'bad_request',
    `m=${shown(text)} of ${channel} is no revision: expected a whole number, such as 20, or 0 for none`,
  );
}

function shown(text: string): string {
  return JSON.stringify(text.length > 20 ? `${text.slice(0, 20)}…` : text);
}
