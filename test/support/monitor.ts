import { connect, type Socket } from 'node:net';
import { eventually } from './wait.ts';

/** When Redis executed something. */
export interface Moment {
  /** Counts all commands that Redis executed: its own order. */
  order: number;
  /** The order of the command from outside that it was a part of. What one script does has one step. */
  step: number;
  /** Wall clock (ms), which readers share. */
  at: number;
}

/** One command, as Redis executed it. */
export interface Command extends Moment {
  /** Called by a script. */
  inScript: boolean;
  /** The name in capitals. */
  name: string;
  args: Buffer[];
}

/** A command as one would type it. */
export function asText({ name, args }: Command): string {
  return [name, ...args].join(' ');
}

const LINE = /^(\d+\.\d+) \[\d+ ([^\]]+)\] /;
const WORD = /"((?:[^"\\]|\\.)*)"/g;
const ESCAPE = /\\(x[0-9a-f]{2}|.)/g;
const ESCAPED: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };

/** What a line of MONITOR says, without its place in the order; `undefined` for anything else. */
export function parseLine(line: string): Pick<Command, 'at' | 'inScript' | 'name' | 'args'> | undefined {
  const [head, seconds, client] = LINE.exec(line) ?? [];
  if (head === undefined) return undefined;
  const words = [...line.slice(head.length).matchAll(WORD)].map(([, word = '']) =>
    Buffer.from(
      word.replace(ESCAPE, (_, code: string) =>
        code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPED[code] ?? code),
      ),
      'latin1',
    ),
  );
  const name = words[0]?.toString().toUpperCase();
  if (name === undefined) return undefined;
  return { at: Number(seconds) * 1000, inScript: client === 'lua', name, args: words.slice(1) };
}

/**
 * A connection on which Redis tells every command that it executes, in its own order: those of all clients, and those of
 * scripts behind the call of their script. It does without ioredis, which takes a command that comes in one piece with
 * the answer to MONITOR for an error.
 */
export class Monitor {
  /** The time of each command, by its order. */
  readonly times: number[] = [];
  readonly #socket: Socket;
  readonly #onCommand: (command: Command) => void;
  #rest = '';
  #step = 0;
  #answered = false;
  #broken: string | undefined;

  constructor(port: number, onCommand: (command: Command) => void) {
    this.#onCommand = onCommand;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    // Bytes, not characters: what is no ASCII is escaped.
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => this.#socket.write('MONITOR\r\n'));
    this.#socket.on('data', (text) => this.#read(String(text)));
    this.#socket.on('error', () => {}); // `close` follows
    this.#socket.on('close', () => {
      this.#broken = 'the connection with MONITOR ended';
    });
  }

  /** Why the order is not known any more. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** From when on it hears every command. */
  async ready(): Promise<this> {
    await eventually(() => {
      if (this.#broken) throw new Error(this.#broken);
      return this.#answered;
    });
    return this;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '+OK') this.#answered = true;
      const parsed = parseLine(line.slice(1));
      if (!parsed) continue;
      const order = this.times.push(parsed.at) - 1;
      if (!parsed.inScript) this.#step = order;
      this.#onCommand({ ...parsed, order, step: this.#step });
    }
  }
}
