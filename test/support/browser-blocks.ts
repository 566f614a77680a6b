import { EventSource } from 'eventsource';

/** What the pages leave to the application. */
const OF_THE_APPLICATION = ['show', 'render', 'reload', 'load', 'apply'] as const;

export interface Call {
  name: string;
  args: unknown[];
}

/** What a browser gives to a page, in this process; `calls` is what the page has told its application. */
export class FakeBrowser {
  readonly calls: Call[] = [];
  readonly streams: EventSource[] = [];
  /** The addresses that it is given are relative to the gateway. */
  readonly EventSource: typeof EventSource;

  /** @param origin of the gateway */
  constructor(origin: string) {
    const { streams } = this;
    this.EventSource = class extends EventSource {
      constructor(url: string | URL) {
        super(new URL(url, origin));
        streams.push(this);
      }
    };
  }

  /** Runs a script of a page. Functions that the page does not define only take note of their call. */
  async run(code: string): Promise<void> {
    const globals = {
      ...Object.fromEntries(OF_THE_APPLICATION.map((name) => [name, (...args: unknown[]) => this.#call(name, args)])),
      EventSource: this.EventSource,
      Math: Object.assign(Object.create(Math), { random: () => 0 }),
    };
    const run = new Function(...Object.keys(globals), `return (async () => {\n${code}\n})()`);
    await run(...Object.values(globals));
  }

  close(): void {
    for (const stream of this.streams) stream.close();
  }

  #call(name: string, args: unknown[]): string {
    this.calls.push({ name, args });
    return name;
  }
}
