/**
 * Headers of every response that is no stream. Nothing in it is a page: no browser may run it, show it in a frame, take it for another type,
 * keep it, or tell the next site its address, which may hold a credential.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
