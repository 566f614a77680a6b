import type { Through } from './line.ts';
import { SharedLine } from './shared-line.ts';

export interface TabsOptions {
  /** Who the user is, such as an id: tabs with one key and one address share a line. */
  key: string;
}

/**
 * One line for all tabs of a browser that have the same key and address, by Web Locks and BroadcastChannel. Where these are missing (old browsers,
 * pages without TLS, Node), each tab has a line of its own.
 *
 * If another key comes up at an address whose user the page does not name (`user`, `access_token`), that is, by a cookie, then lines of older
 * pages end with the status `failure` and the reason `user_changed`: the cookie is now another user's.
 */
export function tabs({ key }: TabsOptions): Through {
  const page = { key, born: Date.now() + Math.random() };
  return (open) =>
    globalThis.isSecureContext && navigator.locks
      ? (address, receiver) => new SharedLine(open, address, receiver, page)
      : open;
}
