import { Sisyphus, type SisyphusOptions } from '../../../src/client/client.ts';
import { FakeSource } from './fake-page.ts';

export type Row = Record<string, unknown> & { driver_name: string };

const CHANNEL = 'collection:drivers';
const KEY = 'driver_name';

interface Sent {
  id: number;
  data: unknown;
}

interface Asked {
  answer: (response: Response) => void;
  /** What was read for it. */
  body?: string;
}

/**
 * A gateway with the collection `drivers` in the memory of a test, and clients of it. What it sends waits in `wire` until it is delivered, and
 * a request for a snapshot waits until the test answers it.
 */
export class CollectionGateway {
  records = new Map<string, Row>();
  epoch = '1';
  revision = 0;
  id = 1;
  /** Each state of the records that there has been. */
  readonly history = new Set<string>();
  /** How often a snapshot was asked for. */
  snapshots = 0;
  readonly #asked: Asked[] = [];
  readonly wire: { data: unknown; id: number }[] = [];
  /** How often clients have opened a stream. */
  opened = 0;
  /** The last messages, and the id of the last one that is not among them any more. */
  #backlog: Sent[] = [];
  #gone = 0;
  #source: FakeSource | undefined;

  /** A client whose pauses after resets are those of the timers of the test. */
  connect(options: SisyphusOptions = {}): Sisyphus {
    const gateway = this;
    const Source = class extends FakeSource {
      constructor(address: string) {
        super(address, false);
        gateway.#open(this);
      }
    };
    return new Sisyphus('http://gateway/stream', { channels: [CHANNEL], EventSource: Source, ...options });
  }

  readonly fetch = (_address: string, { signal }: { signal: AbortSignal }): Promise<Response> => {
    this.snapshots++;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      this.#asked.push({ answer: resolve });
    });
  };

  get snapshot(): string {
    const { revision, epoch, id, records } = this;
    return JSON.stringify({ drivers: [...records.values()], revision, epoch, id: String(id), key: KEY });
  }

  /** Reads the snapshots that are asked for, which are answered later. */
  read(): void {
    for (const asked of this.#asked) asked.body ??= this.snapshot;
  }

  answer(body?: string): void {
    for (const asked of this.#asked.splice(0)) asked.answer(new Response(body ?? asked.body ?? this.snapshot));
  }

  refuse(): void {
    for (const { answer } of this.#asked.splice(0)) answer(new Response('', { status: 503 }));
  }

  /** Applies the change to the records, and publishes it. */
  change(update: Row[], destroy: string[] = []): void {
    const create = update.map((row) => row[KEY]).filter((key) => !this.records.has(key));
    for (const key of destroy) this.records.delete(key);
    for (const row of update) this.records.set(row[KEY], row);
    this.#publish({ drivers: { create, update, destroy } });
  }

  /** Revisions go on in another epoch, and nothing else says so. */
  fork(update: Row[]): void {
    this.epoch = String(this.id + 1);
    this.change(update);
  }

  /** The change is too large for a message. */
  changeMuch(update: Row[]): void {
    for (const row of update) this.records.set(row[KEY], row);
    this.epoch = String(this.id + 1);
    this.#publish({ drivers: { create: [], update: [], destroy: [] } });
  }

  /** Somebody else publishes on the channel. */
  disturb(data: unknown): void {
    this.revision++;
    this.#send(data);
  }

  flush(): void {
    this.records = new Map();
    this.#remember();
    this.epoch = String(++this.id);
    this.revision = 0;
    this.#backlog = [];
    this.#gone = this.id;
    this.#reset('flushed');
  }

  trim(): void {
    this.#gone = this.#backlog.at(-1)?.id ?? this.#gone;
    this.#backlog = [];
  }

  reset(): void {
    this.#reset('oversize');
  }

  /** Ends the stream for good. */
  revoke(): void {
    this.wire.push({ data: { status: 'failure', reason: 'revoked' }, id: this.id });
  }

  /** Delivers so many of the frames that are on their way. */
  deliver(most = this.wire.length): void {
    for (const { data, id } of this.wire.splice(0, most)) this.#source?.say(data, String(id));
  }

  /** Breaks the line; what was on its way is lost. */
  drop(): void {
    this.wire.length = 0;
    const source = this.#source;
    this.#source = undefined;
    source?.end();
  }

  #remember(): void {
    this.history.add(JSON.stringify([...this.records]));
  }

  #publish(change: Record<string, unknown>): void {
    this.revision++;
    this.#remember();
    this.#send({ version: this.revision, revision: this.revision, epoch: this.epoch, ...change });
  }

  #send(data: unknown): void {
    const sent = { id: ++this.id, data };
    this.#backlog.push(sent);
    this.#write(sent);
  }

  #write({ id, data }: Sent): void {
    if (this.#source) this.wire.push({ data: { channel: CHANNEL, revision: 1, id: String(id), data }, id });
  }

  #reset(reason: string, position = this.id): void {
    if (this.#source) this.wire.push({ data: { reset: { channel: CHANNEL, reason } }, id: position });
  }

  #open(source: FakeSource): void {
    this.opened++;
    this.#source = source;
    const query = source.url.searchParams;
    const from = query.get('lastEventId') ?? query.get('since');
    const position = Number(from ?? this.id);
    this.wire.length = 0;
    this.wire.push({ data: { status: 'ok', noopInterval: 15_000 }, id: position });
    if (from !== null && position < this.#gone) this.#reset('trimmed', position);
    for (const sent of this.#backlog) if (sent.id > position) this.#write(sent);
  }
}
