import type { RawStream } from './raw-stream.ts';

/** What a stream was told may be missing: `<channel> <reason>`. */
export function resetsOf({ frames }: Pick<RawStream, 'frames'>): string[] {
  return frames
    .filter(({ event }) => event === 'reset')
    .map(({ data }) =>
      (data ?? '')
        .replace(/<\/?\w+>/g, ' ')
        .trim()
        .replace(/ +/g, ' '),
    );
}

/** The texts of its messages. */
export function textsOf({ messages }: Pick<RawStream, 'messages'>): (string | undefined)[] {
  return messages.filter(({ event }) => event !== 'reset').map(({ data }) => data);
}
