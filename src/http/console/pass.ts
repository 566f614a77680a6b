import { createHmac } from 'node:crypto';
import { digestOf, isSame } from '../../secret-digest.ts';

/** How long a log-in lasts (ms). */
export const LASTING = 12 * 3_600_000;

/**
 * Checks the secret of the console, and makes and checks what the browser keeps instead of it: when it ends, signed with the secret. Every
 * process and gateway with the same secret takes it, and none takes it any more once the secret is another one.
 */
export class ConsolePass {
  readonly #secret: string;
  readonly #digest: Buffer;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(secret: string, now: () => number = Date.now) {
    this.#secret = secret;
    this.#digest = digestOf(secret);
    this.#now = now;
  }

  /** Whether this is the secret. The time reveals nothing about it. */
  isSecret(text: string): boolean {
    return isSame(this.#digest, digestOf(text));
  }

  make(): string {
    const end = String(this.#now() + LASTING);
    return `${end}.${this.#sign(end)}`;
  }

  /** @returns when the pass ends (ms since 1970); `undefined` if it has ended, or was not made with this secret */
  endOf(pass: string): number | undefined {
    const [, end, signature] = /^(\d{1,16})\.([\w-]{43})$/.exec(pass) ?? [];
    if (end === undefined || signature === undefined) return undefined;
    if (!isSame(digestOf(signature), digestOf(this.#sign(end)))) return undefined;
    return Number(end) > this.#now() ? Number(end) : undefined;
  }

  #sign(end: string): string {
    return createHmac('sha256', this.#secret).update(`console until ${end}`).digest('base64url');
  }
}
