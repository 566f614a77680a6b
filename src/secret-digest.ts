import { createHash, timingSafeEqual } from 'node:crypto';

/** The hash by which a secret is compared. */
export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Whether both are of the same text. The time reveals nothing about the texts, not even their length. */
export function isSame(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(one, other);
}
