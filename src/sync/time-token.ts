import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far the clocks of a client and a server may be apart (s). */
const TOLERANCE = 120;

/** What stands for the text of a request that has none. */
export const NO_TEXT = 'None';

/** A token that shows a secret for a text, for a while: `<unix time>:<HMAC-SHA256 of the text and the time>`. */
export function timeToken(secret: string, text: string, now: number = Date.now()): string {
  const time = Math.floor(now / 1000);
  return `${time}:${sign(secret, text, time)}`;
}

export function isTimeToken(token: string, secret: string, text: string, now: number = Date.now()): boolean {
  const [, digits, mac = ''] = /^(\d{1,12}):([0-9a-f]{64})$/.exec(token) ?? [];
  const time = Number(digits);
  if (!(Math.abs(now / 1000 - time) <= TOLERANCE)) return false;
  return timingSafeEqual(Buffer.from(mac), Buffer.from(sign(secret, text, time)));
}

function sign(secret: string, text: string, time: number): string {
  return createHmac('sha256', secret).update(`${text}${time}`).digest('hex');
}
