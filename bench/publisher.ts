import { compile } from './compile.ts';
import { LineProcess } from './line-process.ts';

export type PublishForm = 'publish' | 'fcall' | 'nchan' | 'pushpin' | 'mercure' | 'centrifugo';

export interface PublishTarget {
  port: number;
  form: PublishForm;
  /** Redis keeps the order over one connection; an HTTP server answers one request at a time on each, so it gets more. */
  connections: number;
  /** The header line that carries the right to publish, where one is needed. */
  header?: string;
}

export interface Published {
  sent: number;
  seconds: number;
  errors: number;
  firstError: string;
  /** How far behind its schedule the publisher was at worst, in microseconds. */
  lateMax: number;
  busy: number;
}

/** Channel numbers from `first`; numbers from `USERS` on are users' own channels. */
export interface ChannelRange {
  first: number;
  count: number;
}

export const USERS = 1_000_000;

/** The bytes of a payload, as in the measurements that the goals come from. */
const SIZE = 100;

const IN_FLIGHT = 256;

/** The writing side: one C program that paces the messages of a turn. */
export class Publisher {
  readonly #process: LineProcess;

  constructor(target: PublishTarget, nice = 0) {
    const command = [compile('publish'), String(target.port), target.form, String(target.connections), String(SIZE)];
    if (target.header) command.push(target.header);
    this.#process = new LineProcess(nice ? ['nice', '-n', String(nice), ...command] : command);
  }

  get pid(): number {
    return this.#process.started.pid;
  }

  async start(): Promise<void> {
    await this.#process.next();
  }

  /** `rate` 0 sends as fast as the answers come. */
  run(rate: number, total: number, channels: ChannelRange, inFlight = IN_FLIGHT): Promise<Published> {
    return this.#process.ask(`run ${rate} ${total} ${inFlight} ${channels.first} ${channels.count}`);
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

/** How many of `total` messages go to each channel of the range; the order is the one in publish.c. */
export function sharesOf(total: number, { first, count }: ChannelRange): Map<number, number> {
  const shares = new Map<number, number>();
  const whole = Math.floor(total / count);
  for (let i = 0; i < count; i++) shares.set(first + i, whole);
  for (let i = whole * count; i < total; i++) {
    const channel = first + ((i * 7919) % count);
    shares.set(channel, shares.get(channel)! + 1);
  }
  return shares;
}
