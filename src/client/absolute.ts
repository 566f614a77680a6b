/**
 * An address of the page, or of a worker, which has no document. Elsewhere it has to be whole. `Sisyphus` has the same line by itself, because a
 * call would not fit into its 2.5 kB.
 */
export function absolute(address: string | URL): URL {
  return new URL(address, (globalThis.document?.baseURI ?? globalThis.location?.href) as string | undefined);
}
