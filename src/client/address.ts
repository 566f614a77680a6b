import type { SisyphusOptions } from './options.ts';

/** The address of a line, with all that the gateway has to know. If there is a position, it ignores `since`. */
export function addressOf(
  base: URL,
  { user, channels = [], since }: SisyphusOptions,
  token: string | undefined,
  position: string | undefined,
): URL {
  const address = new URL(base);
  const parameters = { format: 'frames', user, access_token: token, lastEventId: position, since };
  for (const [name, value] of Object.entries(parameters)) {
    // A page that has no credential may say so by `null`, as `localStorage` does, or by an empty text.
    if (value || value === 0) address.searchParams.set(name, value as string);
  }
  for (const channel of channels) address.searchParams.append('c', channel);
  return address;
}
