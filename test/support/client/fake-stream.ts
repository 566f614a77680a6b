import type { Sisyphus, Status } from '../../../src/client/client.ts';
import type { LoadRequest } from '../../../src/client/loader.ts';
import type { Stream } from '../../../src/client/react.ts';

interface Load {
  read: (request: LoadRequest) => Promise<unknown>;
  apply: (state: unknown, channels: string[]) => unknown;
  channel: string;
}

/** A stream that a test speaks for; it has no line and no clock. */
export class FakeStream implements Stream {
  position: string | undefined;
  status: Status = { state: 'connecting' };
  readonly #listeners = new Map<string, Set<(value: never) => void>>();
  readonly #loads = new Set<Load>();
  #revision = 0;

  constructor(position?: string) {
    this.position = position;
  }

  on: Stream['on'] = (name, listener) => this.#add(name, listener);

  channel: Stream['channel'] = (channel, listener) => this.#add(`channel ${channel}`, listener);

  event: Stream['event'] = (event, listener) => this.#add(`event ${event}`, listener);

  wake(): void {}

  load: Sisyphus['load'] = (channels, read, apply, options) => {
    const load = { read, apply, channel: String(channels) } as Load;
    this.#loads.add(load);
    if (!options?.isLoaded) void this.#begin(load);
    return () => this.#loads.delete(load);
  };

  close(): void {
    this.say({ state: 'closed' });
  }

  /** How many listeners and loaders there are. */
  get count(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, this.#loads.size);
  }

  say(status: Status): void {
    this.status = status;
    this.#tell('status', status);
  }

  send(channel: string, data: unknown): void {
    const revision = ++this.#revision;
    this.position = String(1000 + revision);
    this.#tell(`channel ${channel}`, { type: 'message', channel, revision, id: this.position, data });
  }

  async reset(channel: string): Promise<void> {
    for (const load of this.#loads) if (load.channel === channel) await this.#begin(load);
  }

  async #begin(load: Load): Promise<void> {
    const channels = [load.channel];
    const state = await load.read({ channels, signal: new AbortController().signal });
    if (this.#loads.has(load)) load.apply(state, channels);
  }

  #add(name: string, listener: (value: never) => void): () => void {
    const own = (value: never): void => listener(value);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(own));
    return () => listeners.delete(own);
  }

  #tell(name: string, value: unknown): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(value as never);
  }
}
