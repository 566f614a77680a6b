import type { SisyphusOptions } from './options.ts';

/** Sets those that have a value. A page without a credential may say so by `null`, as `localStorage` does, or by an empty text. */
export function setParameters(
  query: URLSearchParams,
  values: Record<string, string | number | null | undefined>,
): void {
  for (const [name, value] of Object.entries(values)) if (value || value === 0) query.set(name, value as string);
}

/** The address of a line, with all that the gateway has to know. If there is a position, it ignores `since`. */
export function addressOf(
  base: URL,
  { user, channels = [], since }: SisyphusOptions,
  token: string | null | undefined,
  position: string | undefined,
): URL {
  const address = new URL(base);
  setParameters(address.searchParams, { format: 'frames', user, access_token: token, lastEventId: position, since });
  for (const channel of channels) address.searchParams.append('c', channel);
  return address;
}
