/**
 * Headers of every response that is no stream. Such a response is data and no page: a browser must not run it, show it in a frame, take it
 * for another type, store it, or send its address, which may hold a credential, to the next site.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
