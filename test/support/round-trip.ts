import type { EventSourceClient, Received } from './event-source-clients.ts';
import { decodedBy, type Payload } from './payloads.ts';
import type { Publish } from './publisher.ts';
import { eventually } from './wait.ts';

let runs = 0;

/** Reads on from where it stopped, up to a mark. */
export class Reader {
  readonly client: EventSourceClient;
  #position = 0;

  constructor(client: EventSourceClient) {
    this.client = client;
  }

  /** What came since the last call, up to and without the message whose text is `mark`. */
  async upTo(mark: string, deadlineMs = 10_000): Promise<Received[]> {
    return eventually(async () => {
      const all = await this.client.read();
      const end = all.findIndex(({ data }, index) => index >= this.#position && data === mark);
      if (end < 0) throw new Error(`${this.client.name}: ${describe(all.slice(this.#position))} and no ${mark}`);
      const come = all.slice(this.#position, end);
      this.#position = end + 1;
      return come;
    }, deadlineMs);
  }
}

/** Publishes these one after the other, and fails unless every reader got each as the standard decodes it, in order and nothing else. */
export async function roundTrip(readers: Reader[], publish: Publish, channel: string, payloads: readonly Payload[]) {
  const mark = `mark ${++runs}`;
  for (const { data } of payloads) await publish(channel, data);
  await publish(channel, mark);
  await Promise.all(
    readers.map(async (reader) => {
      const received = await reader.upTo(mark);
      compare(reader.client.name, received, payloads);
    }),
  );
}

function compare(name: string, received: Received[], payloads: readonly Payload[]): void {
  for (const [index, { what, data }] of payloads.entries()) {
    const expected = decodedBy(data);
    const actual = received[index];
    if (actual?.data !== expected) {
      throw new Error(`${name}, ${what}: published ${quote(expected)}, received ${quote(actual?.data)}`);
    }
    if (actual.event !== 'message') throw new Error(`${name}, ${what}: came as an event named ${quote(actual.event)}`);
  }
  if (received.length !== payloads.length) {
    throw new Error(`${name}: ${payloads.length} published; ${describe(received)}`);
  }
  const ids = received.map(({ id }) => Number(id));
  const unordered = ids.findIndex((id, index) => !(id > (ids[index - 1] ?? 0)));
  if (unordered >= 0)
    throw new Error(`${name}: ids do not rise: ${ids.slice(Math.max(0, unordered - 2), unordered + 2)}`);
}

function describe(received: readonly Received[]): string {
  const last = received.at(-1);
  return `${received.length} received, the last ${quote(last?.data)} with id ${last?.id}`;
}

function quote(text: string | undefined): string {
  if (text === undefined) return 'nothing';
  return text.length > 200 ? `${JSON.stringify(text.slice(0, 200))}… (${text.length})` : JSON.stringify(text);
}
