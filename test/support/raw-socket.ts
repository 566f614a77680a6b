import { connect, type Socket } from 'node:net';
import { eventually } from './wait.ts';

/** A connection on which anything may be sent, and everything that came back, as one text. */
export class RawSocket {
  /** Everything that came, a byte a character. */
  text = '';
  /** The other side has ended. */
  ended = false;
  closed = false;
  error: string | undefined;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
    this.#socket.on('end', () => {
      this.ended = true;
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? String(error);
    });
    this.#socket.on('close', () => {
      this.closed = true;
    });
  }

  /** The status lines so far. */
  get heads(): string[] {
    return this.text.match(/HTTP\/1\.[01] \d{3} [^\r\n]*/g) ?? [];
  }

  send(text: string): this {
    this.#socket.write(text, 'latin1');
    return this;
  }

  /** Each in a packet of its own, as far as the kernel lets it. */
  async sendPieces(pieces: Iterable<string>, pauseMs = 2): Promise<void> {
    for (const piece of pieces) {
      this.send(piece);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Ends this side, and goes on reading. */
  end(): this {
    this.#socket.end();
    return this;
  }

  async until(expected: RegExp | ((socket: this) => boolean), deadlineMs?: number): Promise<this> {
    const fits = expected instanceof RegExp ? () => expected.test(this.text) : () => expected(this);
    await eventually(fits, deadlineMs).catch((error: Error) => {
      const state = `${this.ended ? 'ended' : 'open'} ${this.error ?? ''}`;
      throw new Error(`${error.message} (${expected}); ${state}: ${JSON.stringify(this.text.slice(0, 2000))}`);
    });
    return this;
  }

  close(): void {
    this.#socket.destroy();
  }
}
