import { requireUser } from '../../message/names.ts';
import type { TokenHash, TokenState, Tokens } from '../../message/token.ts';

/** So long (ms) it is known that a token has ended, or was revoked. */
const TOMBSTONE = 3_600_000;
/** If a user has more tokens than this, those that end first are dropped. */
const MOST = 10_000;
/** With each new token, so many users are searched for tokens of long ago. */
const SWEPT = 2;

interface Kept {
  /** When it ends (ms since 1970). */
  ends: number;
  isRevoked: boolean;
}

export interface MemoryTokensOptions {
  requireOpen: () => void;
  disconnect: (user: string, credential: string | undefined) => void;
  now: () => number;
}

/** Tokens in this process: nobody else can mint any. */
export class MemoryTokens implements Tokens {
  readonly #options: MemoryTokensOptions;
  /** By user, then by hash. */
  readonly #users = new Map<string, Map<string, Kept>>();
  #sweeping: Iterator<string> | undefined;

  constructor(options: MemoryTokensOptions) {
    this.#options = options;
  }

  async read(tokens: TokenHash[]): Promise<TokenState[]> {
    this.#options.requireOpen();
    const now = this.#options.now();
    return tokens.map(({ user, hash }) => {
      const kept = this.#users.get(user)?.get(hash);
      if (!kept || now - kept.ends >= TOMBSTONE) return 'unknown';
      if (kept.isRevoked) return 'revoked';
      return kept.ends > now ? kept.ends - now : 'expired';
    });
  }

  async add({ user, hash }: TokenHash, ttl: number): Promise<number> {
    this.#options.requireOpen();
    const now = this.#options.now();
    const tokens = this.#users.get(requireUser(user)) ?? new Map<string, Kept>();
    this.#users.set(user, tokens);
    tokens.set(hash, { ends: now + ttl, isRevoked: false });
    if (tokens.size > MOST) {
      const [first] = [...tokens].sort(([, a], [, b]) => a.ends - b.ends);
      tokens.delete(first![0]);
    }
    this.#sweep(now);
    return now + ttl;
  }

  async revoke({ user, hash }: { user: string; hash?: string | undefined }): Promise<number> {
    this.#options.requireOpen();
    requireUser(user);
    const now = this.#options.now();
    let count = 0;
    for (const [one, kept] of this.#users.get(user) ?? []) {
      if (kept.isRevoked || (hash !== undefined && one !== hash)) continue;
      kept.isRevoked = true;
      kept.ends = now;
      count++;
    }
    this.#options.disconnect(user, hash);
    return count;
  }

  #sweep(now: number): void {
    for (let i = 0; i < SWEPT; i++) {
      this.#sweeping ??= this.#users.keys();
      const { done, value: user } = this.#sweeping.next();
      if (done) {
        this.#sweeping = undefined;
        continue;
      }
      const tokens = this.#users.get(user)!;
      for (const [hash, { ends }] of tokens) if (now - ends >= TOMBSTONE) tokens.delete(hash);
      if (tokens.size === 0) this.#users.delete(user);
    }
  }
}
