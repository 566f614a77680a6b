/** An address of the page, or of a worker, which has no document. Elsewhere it has to be whole. */
export function absolute(address: string | URL): URL {
  return new URL(address, (globalThis.document?.baseURI ?? globalThis.location?.href) as string | undefined);
}
