import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { Application } from '../support/application.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openFiles } from '../support/process-figures.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { checkAnswers } from './answers.ts';
import { send } from './connection.ts';
import { SESSION } from './pools.ts';
import { type Attempt, attempts } from './requests.ts';

const PROBE = fileURLToPath(new URL('../support/heap-probe.mjs', import.meta.url));
/** How many connections are made before the memory is measured for the first time: what is loaded late is loaded then. */
const WARM = 600;
/** How much a heap may have grown (bytes); up to 2.3 MB were seen, whether after 20 s or 30. */
const GROWTH = 4_000_000;
/** What a line of the log has. */
const FIELDS = ['level', 'time', 'pid', 'event'];

interface Figures {
  heap: number;
  external: number;
  resources: number;
}

/** A gateway in each mode on one Redis, and a witness on the first one that must not get anything that is not its own. */
export class Stage {
  readonly gateways: Gateway[] = [];
  connections = 0;
  /** How often each word was answered (`checkAnswers`). */
  readonly answers = new Map<string, number>();
  /** By how much the heap of each gateway has grown (bytes). */
  readonly growth: number[] = [];
  #redis!: RedisServer;
  #application = new Application();
  #witness!: RawStream;
  #folder = '';
  #first: { figures: Figures; files: number }[] | undefined;

  async start(): Promise<this> {
    this.#folder = await mkdtemp(join(tmpdir(), 'sisyphus-fuzz-'));
    this.#redis = await startRedis();
    this.#application.says('fuzz');
    const modes: Record<string, string>[] = [
      { SISYPHUS_AUTH: 'open' },
      { SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_SECRET: 'a-shared-secret-of-more-than-32-bytes', SISYPHUS_COOKIE: 's' },
      { SISYPHUS_AUTH: 'forward', SISYPHUS_FORWARD_URL: await this.#application.start() },
      { SISYPHUS_AUTH: 'header', SISYPHUS_TRUSTED_PROXIES: '127.0.0.1' },
    ];
    const all = {
      REDIS_URL: this.#redis.url,
      SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
      SISYPHUS_CONSOLE_SECRET: 'a-secret-of-the-console-alone',
      SISYPHUS_LOG_LEVEL: 'trace',
      SISYPHUS_PROTOCOLS: 'rt,sock.it,sync',
      SISYPHUS_PUBLIC_CHANNELS: 'news:*',
      SISYPHUS_ORIGINS: 'https://a.example',
      SISYPHUS_COLLECTIONS: '{"fuzz":{"key":"name","public":true,"ttl":"1s","send":["s"],"receive":["s"]}}',
      NODE_OPTIONS: `--trace-warnings --import=${PROBE}`,
    };
    for (const [i, mode] of modes.entries()) {
      this.gateways.push(await startGateway({ ...all, ...mode, HEAP_PROBE: join(this.#folder, `${i}.sock`) }));
    }
    const client = this.#redis.client();
    await client.call('FCALL', 'sisyphus_poll_open', '1', 'sisyphus:{0}', SESSION, '0', '', '', '', '', '');
    client.disconnect();
    this.#witness = openStream({ port: this.gateways[0]!.port, path: '/?user=witness' });
    await this.#witness.ok();
    return this;
  }

  /** Sends random requests for so long. @throws Error with the smallest attempt that is answered wrongly, and its seed */
  async run(seed: number, seconds: number): Promise<void> {
    let last: Promise<void> = Promise.resolve();
    const property = fc.asyncProperty(attempts(this.gateways.length), (all) => {
      last = this.#play(all);
      return last;
    });
    const { failed, errorInstance } = await fc.check(property, {
      seed,
      numRuns: 1_000_000,
      interruptAfterTimeLimit: seconds * 1000,
      markInterruptAsFailure: false,
    });
    if (failed) throw new Error(`seed ${seed}: ${(errorInstance as Error).message}`);
    // The library does not wait for what it interrupts, and a connection that hangs is interrupted.
    await last.catch((error: Error) => {
      throw new Error(`seed ${seed}: ${error.message}`);
    });
  }

  /** Everything that must hold after any number of requests. */
  async judge(): Promise<void> {
    this.#witness.close();
    for (const [i, gateway] of this.gateways.entries()) {
      await eventually(async () => {
        const { streams, users, subscriptions } = await gateway.status();
        if (streams + users + subscriptions > 0) throw new Error(`${streams} streams, ${subscriptions} subscriptions`);
        return true;
      });
      this.#judgeLog(gateway);
      if (this.#first) await this.#judgeMemory(i);
    }
  }

  async stop(): Promise<void> {
    this.#witness?.close();
    this.#application.stop();
    for (const gateway of this.gateways) await gateway.stop();
    await this.#redis?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What is the witness's own arrives, and nothing else has. */
  async judgeWitness(): Promise<void> {
    const before = this.#witness.messages.length;
    if (before > 0) throw new Error(`the witness got ${this.#witness.messages[0]!.text}`);
    const client = this.#redis.client();
    await client.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'user:witness', 'still here');
    await this.#witness.frame(({ data }) => data === 'still here');
    client.disconnect();
  }

  /** @throws Error with the first attempt that is answered wrongly, when all have come to their ends */
  async #play(all: Attempt[]): Promise<void> {
    const done = await Promise.allSettled(all.map((attempt) => this.#try(attempt)));
    for (const one of done) if (one.status === 'rejected') throw one.reason;
    this.connections += all.length;
    if (this.connections >= WARM && !this.#first) {
      this.#first = await Promise.all(
        this.gateways.map(async ({ pid }, i) => ({ figures: await this.#figures(i), files: await openFiles(pid) })),
      );
    }
  }

  async #try({ gateway, pieces }: Attempt): Promise<void> {
    const sent = Buffer.concat(pieces);
    try {
      const { bytes } = await send(this.gateways[gateway]!.port, pieces);
      const words = checkAnswers(bytes, sent.includes('HEAD'));
      for (const word of words) this.answers.set(word, (this.answers.get(word) ?? 0) + 1);
    } catch (error) {
      const text = JSON.stringify(sent.toString('latin1')).slice(0, 4000);
      throw new Error(`${(error as Error).message}; gateway ${gateway} was sent ${text}`, { cause: error });
    }
  }

  /** Each line is an object with the usual fields, and nothing in it could be taken for the end of a line. */
  #judgeLog(gateway: Gateway): void {
    for (const line of gateway.logs) {
      const missing = FIELDS.filter((field) => line[field] === undefined);
      if (missing.length > 0)
        throw new Error(`a line without ${missing.join()}: ${JSON.stringify(line).slice(0, 500)}`);
      if (
        /internal|request_failed|identification_failed|stream_failed|session_failed|sweep_failed/.test(
          String(line.event),
        )
      ) {
        throw new Error(`a mistake in the gateway: ${JSON.stringify(line)}`);
      }
    }
    const odd = gateway.output().match(/.{0,80}[^\n -~\u00a0-\u2027\u202f-\u2065\u206a-\u{10ffff}].{0,80}/u);
    if (odd) throw new Error(`a character that may end a line or change a terminal: ${JSON.stringify(odd[0])}`);
  }

  async #judgeMemory(i: number): Promise<void> {
    const { figures: first, files } = this.#first![i]!;
    await eventually(async () => {
      const now = await this.#figures(i);
      const open = await openFiles(this.gateways[i]!.pid);
      const grown = now.heap + now.external - first.heap - first.external;
      this.growth[i] = grown;
      if (grown > GROWTH) throw new Error(`the heap has grown by ${grown} bytes over ${this.connections} connections`);
      // Connections to the application are kept for a while.
      if (open > files + 8) throw new Error(`${open} files are open, and ${files} were`);
      if (now.resources > first.resources + 8)
        throw new Error(`${now.resources} resources, and ${first.resources} before`);
      return true;
    }, 8000);
  }

  #figures(i: number): Promise<Figures> {
    return new Promise((resolve, reject) => {
      let text = '';
      connect(join(this.#folder, `${i}.sock`))
        .setEncoding('utf8')
        .on('data', (chunk: string) => {
          text += chunk;
        })
        .on('error', reject)
        .on('end', () => resolve(JSON.parse(text) as Figures));
    });
  }
}
