import { EventSource } from 'eventsource';
import { Sisyphus, type SisyphusOptions } from '../../src/client/client.ts';
import { poll } from '../../src/client/poll.ts';
import type { Block } from './documents.ts';

/** What the pages leave to the application. */
const OF_THE_APPLICATION = ['show', 'render', 'append', 'reload', 'load', 'readRoom', 'apply'] as const;
/** What a page imports of the client. */
const IMPORTS =
  /^ *import \{.*\} from '(?:\/client\.js|\/client\/\w+\.js|sisyphus-gateway\/client(?:\/\w+)?|eventsource)';\n/gm;

export interface Call {
  name: string;
  args: unknown[];
}

/** The code of a page that uses the client, without its imports, whose names `FakeBrowser` gives; `undefined` if the block is none. */
export function codeWithClient({ language, text }: Block): string | undefined {
  const code = language === 'html' ? /<script type="module">\n(.*)<\/script>/s.exec(text)?.[1] : text;
  if (!['html', 'js'].includes(language) || !code?.includes('import { Sisyphus }')) return undefined;
  return code.replace(IMPORTS, '');
}

/** What a browser gives to a page, in this process; `calls` is what the page has told its application. */
export class FakeBrowser {
  readonly calls: Call[] = [];
  readonly streams: EventSource[] = [];
  /** The addresses that it is given are relative to the gateway. */
  readonly EventSource: typeof EventSource;
  /** The client; resets are answered at once. */
  readonly #Sisyphus: typeof Sisyphus;
  readonly #clients: Sisyphus[] = [];

  /** @param origin of the gateway */
  constructor(origin: string) {
    const { streams } = this;
    this.EventSource = class extends EventSource {
      constructor(url: string | URL) {
        super(new URL(url, origin));
        streams.push(this);
      }
    };
    const clients = this.#clients;
    this.#Sisyphus = class extends Sisyphus {
      constructor(address: string | URL, options: SisyphusOptions = {}) {
        super(new URL(address, origin), { EventSource, spread: 0, ...options });
        clients.push(this);
      }
    };
  }

  /** Runs a script of a page. Functions that the page does not define only take note of their call. */
  async run(code: string): Promise<void> {
    const globals = {
      ...Object.fromEntries(OF_THE_APPLICATION.map((name) => [name, (...args: unknown[]) => this.#call(name, args)])),
      EventSource: this.EventSource,
      Sisyphus: this.#Sisyphus,
      poll,
      fetch: async (address: string) => new Response(JSON.stringify(this.#call('fetch', [address]))),
      Math: Object.assign(Object.create(Math), { random: () => 0 }),
    };
    const run = new Function(...Object.keys(globals), `return (async () => {\n${code}\n})()`);
    await run(...Object.values(globals));
  }

  close(): void {
    for (const stream of [...this.streams, ...this.#clients]) stream.close();
  }

  #call(name: string, args: unknown[]): string {
    this.calls.push({ name, args });
    return name;
  }
}
