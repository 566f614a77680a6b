import type { PublishSecret, SecretList } from './config/secret-list.ts';
import { compileGlob, type Glob } from './glob.ts';
import { digestOf, isSame } from './secret-digest.ts';

/** The secret that a request has shown. */
export interface ShownSecret {
  readonly name: string;
  /** Whether the secret may publish to the channel. */
  allows(channel: string): boolean;
}

interface Entry {
  text: string;
  digest: Buffer;
  secret: ShownSecret;
}

/** The publish secrets in force. They may be replaced while the gateway runs. */
export class PublishSecrets {
  #entries: readonly Entry[] = [];

  constructor(list: SecretList | undefined) {
    this.use(list);
  }

  /** Without a secret, publishing over HTTP is off. */
  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Replaces all secrets. A request that has shown one before still ends. */
  use(list: SecretList | undefined): void {
    this.#entries = (list?.secrets ?? []).map((secret) => {
      const { text } = secret;
      return { text, digest: digestOf(text), secret: shown(secret) };
    });
  }

  /** The text of the secret with this name, where a setting names one; `undefined` if there is none. */
  textOf(name: string): string | undefined {
    return this.#entries.find(({ secret }) => secret.name === name)?.text;
  }

  /**
   * The secret with this text. It is compared with each one, and both sides are hashed, so that the time reveals neither which one nor how
   * much of it fits.
   */
  find(text: string): ShownSecret | undefined {
    const digested = digestOf(text);
    let found: ShownSecret | undefined;
    for (const entry of this.#entries) if (isSame(entry.digest, digested)) found = entry.secret;
    return found;
  }
}

function shown({ name, channels }: PublishSecret): ShownSecret {
  const globs: Glob[] | undefined = channels?.map(compileGlob);
  return { name, allows: (channel) => globs === undefined || globs.some((glob) => glob(channel)) };
}
