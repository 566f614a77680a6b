import type { EventSourceClient, OpenClient, Received } from './event-source-clients.ts';
import { type Link, type Relay, startRelay } from './relay.ts';
import { eventually } from './wait.ts';
import type { World } from './world.ts';

/** How long the load lasts; half a minute is the long form. */
export const SECONDS = Number(process.env.DROPS_SECONDS ?? 8);

const RATE = 200;
const CHANNELS = 20;
const TICK_MS = 25;
/** The first channels carry so much that what a client misses in seconds is no longer in a gateway's memory. */
const HEAVY_CHANNELS = 2;
const HEAVY_BYTES = 20_000;
const OK = '<message><status>ok</status></message>';
/** What the gateway says itself: where a busy machine lets it not read a list in time, it says `error`, and the client comes back. */
const STATUS = /^(noop|<message><status>(ok|error)<\/status><\/message>)$/;

export interface Sent {
  text: string;
  way: 'fcall' | 'plain';
  /** Known of what went by FCALL. */
  id: string | undefined;
}

export function channelNames(): string[] {
  return Array.from({ length: CHANNELS }, (_, i) => `room:${i}`);
}

/** Publishes steadily, half of it plainly and half by FCALL, and answers what it published, in order. */
export async function publishSteadily(world: World, seconds = SECONDS): Promise<Sent[]> {
  const sent: Sent[] = [];
  const receipts: Promise<void>[] = [];
  const began = performance.now();
  for (let number = 0; number < seconds * RATE; ) {
    const due = Math.min(seconds * RATE, Math.floor(((performance.now() - began) / 1000) * RATE) + 1);
    for (; number < due; number++) {
      const channel = number % CHANNELS;
      const padding = channel < HEAVY_CHANNELS ? HEAVY_BYTES : number % 90;
      const message: Sent = {
        text: `<message><room>${channel}</room><n>${number}</n>${'.'.repeat(padding)}</message>`,
        way: channel % 2 === 0 ? 'fcall' : 'plain',
        id: undefined,
      };
      sent.push(message);
      // One connection, so the order of the calls is the order in Redis.
      const receipt = world.publish[message.way](`room:${channel}`, message.text).then(({ id }) => {
        message.id = id;
      });
      receipts.push(receipt);
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(receipts);
  return sent;
}

export interface Cuts {
  /** The fewest bytes of a connection that are let through. */
  least?: number;
  /** The most. */
  most: number;
}

/** A client behind a relay that breaks its connections at random bytes. */
export class DroppedClient {
  cutting = true;
  cuts = 0;
  readonly name: string;
  #client: EventSourceClient;
  #relay: Relay;

  private constructor(name: string, client: EventSourceClient, relay: Relay) {
    this.name = name;
    this.#client = client;
    this.#relay = relay;
  }

  /** Opens it and waits for its `ok`: from then on nothing may be missing, and the cuts begin. */
  static async open(name: string, open: OpenClient, port: number, path: string, cuts: Cuts): Promise<DroppedClient> {
    const { least = 1, most } = cuts;
    let dropped: DroppedClient | undefined;
    const relay = await startRelay({ targetPort: port, onLink: (link) => dropped?.cutting && cut(link) });
    const cut = ({ down }: Link): void => {
      // One in four within the head and the first frames, where a client has the least to go by.
      down.cutAfter(Math.max(least, Math.ceil(Math.random() * (Math.random() < 0.25 ? 500 : most))));
      if (dropped) dropped.cuts++;
    };
    const client = await open(`${relay.url}${path}`, ['reset']);
    dropped = new DroppedClient(name, client, relay);
    await eventually(async () => {
      const received = await client.read();
      if (!received.some(({ data }) => data === OK))
        throw new Error(`${name} has no ok, but ${JSON.stringify(received)}`);
      return true;
    }, 15_000);
    for (const link of relay.links) cut(link);
    return dropped;
  }

  /** What was published, as this client got it: without what the gateway says itself. */
  async record(): Promise<Received[]> {
    const record: Received[] = [];
    let lastId = '';
    for (const { id, event, data } of await this.#client.read()) {
      const lines = data.split('\n');
      const said = lines.filter((line) => !STATUS.test(line));
      // eventsource 2 keeps the lines of a block that broke off and hands them out with the block after it. Where only the
      // empty line was missing, it asks for what comes next, and this is all there will be of the message; without its id it comes again.
      const comesAgain = said.length < lines.length && id === lastId;
      if (said.length > 0 && !comesAgain) record.push({ id, event, data: said.join('\n') });
      lastId = id;
    }
    return record;
  }

  /** No more cuts: lets it come back and catch up, and answers its record when it has so many messages. */
  async settle(count: number, deadlineMs: number): Promise<Received[]> {
    this.cutting = false;
    for (const { down } of this.#relay.links) down.cutAfter(Number.POSITIVE_INFINITY);
    return eventually(
      async () => {
        const record = await this.record();
        if (record.length < count) throw new Error(`${this.name} has ${record.length} of ${count}`);
        return record;
      },
      deadlineMs,
      50,
    ).catch(() => this.record());
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#relay.stop();
  }
}

/** Fails unless the record is the publisher's: all of it, in order, nothing twice, each with its id. */
export function compareRecords(name: string, record: readonly Received[], sent: readonly Sent[]): void {
  const problems: string[] = [];
  const resets = record.filter(({ event }) => event === 'reset');
  if (resets.length > 0) problems.push(`${resets.length} resets, such as ${resets[0]?.data}`);
  const have = new Map<string, number>();
  for (const { data } of record) have.set(data, (have.get(data) ?? 0) + 1);
  const lost = sent.filter(({ text }) => !have.has(text));
  if (lost.length > 0) problems.push(`${lost.length} lost, such as ${lost[0]!.text} (${lost[0]!.way})`);
  const twice = [...have].filter(([, times]) => times > 1);
  if (twice.length > 0) problems.push(`${twice.length} more than once, such as ${twice[0]![0]}`);
  for (let i = 1; i < record.length; i++) {
    if (!(Number(record[i]!.id) > Number(record[i - 1]!.id))) {
      problems.push(
        `id ${record[i]!.id} (${record[i]!.data}) came after ${record[i - 1]!.id} (${record[i - 1]!.data})`,
      );
      break;
    }
  }
  const idOf = new Map(record.map(({ id, data }) => [data, id]));
  for (const way of ['fcall', 'plain'] as const) {
    const expected = sent.filter((message) => message.way === way);
    const texts = new Set(expected.map(({ text }) => text));
    const received = record.filter(({ data }) => texts.has(data));
    const wrong = received.findIndex(({ data }, index) => data !== expected[index]?.text);
    if (wrong >= 0) problems.push(`${way}: ${received[wrong]!.data} in place of ${expected[wrong]?.text}`);
    const other = expected.find(({ id, text }) => id !== undefined && idOf.has(text) && idOf.get(text) !== id);
    if (other) problems.push(`${other.text} was published as ${other.id} and came as ${idOf.get(other.text)}`);
  }
  if (record.length !== sent.length) problems.push(`${record.length} received, ${sent.length} published`);
  if (problems.length > 0) throw new Error(`${name}: ${problems.join('; ').replace(/\.{20,}/g, '…')}`);
}
