import { expect } from 'chai';
import fc from 'fast-check';
import { type ClientOfModel, Gateway } from './simulated-gateway.ts';
import { openPage, type PageOptions, SimulatedBrowser } from './simulated-tabs.ts';

/** A generator of numbers from 0 to 1 (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const which = fc.nat(7);
/** What may happen; `n` says how often, how long, or to which. */
export const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant('step' as const), n: fc.nat(12) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('publish' as const), n: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('join' as const), n: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('pass' as const), n: fc.nat(20_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constantFrom('close', 'crash', 'freeze', 'wake', 'break', 'refuse', 'stall', 'lose'),
      n: which,
    }),
  },
);
export type Action = { what: string; n: number };

/** Some tabs, a gateway, and an oracle. */
export class TabsModel {
  readonly random: () => number;
  readonly browser: SimulatedBrowser;
  readonly gateway: Gateway;
  readonly clients: ClientOfModel[] = [];

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.browser = new SimulatedBrowser(this.random);
    this.gateway = new Gateway(this.browser);
  }

  async act({ what, n }: Action): Promise<void> {
    const { browser, gateway } = this;
    const client = this.clients[n % this.clients.length];
    const line = [...gateway.open][n % gateway.open.size];
    if (what === 'step') for (let i = 0; i < n; i++) await browser.step();
    if (what === 'publish') for (let i = 0; i <= n; i++) gateway.publish();
    if (what === 'join') await this.join(n);
    if (what === 'pass') await this.pass(n);
    if (what === 'lose') gateway.lose();
    if (what === 'break') line?.end();
    if (what === 'refuse') line?.send({ status: 'error', retry: 5_000 });
    if (what === 'refuse') line?.end();
    if (what === 'stall' && line) line.isStalled = true;
    if (what === 'close' && client) await browser.run(client.tab, () => client.close());
    if ((what === 'close' || what === 'crash') && client) browser.crash(client.tab);
    if (what === 'freeze' && client) client.tab.isFrozen = true;
    if (what === 'wake' && client) client.tab.isFrozen = false;
  }

  async join(n: number): Promise<void> {
    const { gateway } = this;
    if (this.alive.length > 7) return;
    const since = [undefined, undefined, gateway.head, gateway.head - 10, gateway.head - 35, gateway.head + 1_000][n];
    await this.open({ since });
  }

  async open(options: PageOptions = {}): Promise<ClientOfModel> {
    const client = await openPage(this.gateway, options);
    this.clients.push(client);
    return client;
  }

  /** Everything that is to be done now. */
  async idle(): Promise<void> {
    while (await this.browser.step());
  }

  async pass(milliseconds: number): Promise<void> {
    await this.browser.pass(milliseconds);
    this.gateway.keepAlive();
  }

  /** Time passes in such small steps that everything happens in its second. */
  async seconds(count: number): Promise<void> {
    for (let second = 0; second < count; second++) {
      await this.pass(1_000);
      await this.idle();
    }
  }

  get alive(): ClientOfModel[] {
    return this.clients.filter(({ tab }) => !tab.isGone);
  }

  /** Everything is mended, and two minutes pass, with a message now and then. */
  async settle(): Promise<void> {
    for (const { tab } of this.alive) tab.isFrozen = false;
    for (let second = 0; second < 120; second++) {
      await this.idle();
      if (second % 20 === 0) this.gateway.publish();
      await this.pass(1_000);
    }
    await this.idle();
  }

  /** Whether the client was given what it should have. */
  judge(
    { tab, start = Number.POSITIVE_INFINITY, firstGap, read, resets, mistakes }: ClientOfModel,
    isWhole: boolean,
  ): void {
    const { messages, gaps } = this.gateway;
    expect(mistakes, tab.name).to.deep.equal([]);
    const owed = messages.filter((id) => id > start);
    expect(read, tab.name).to.deep.equal(isWhole ? owed : owed.slice(0, read.length));
    const last = isWhole ? Number.POSITIVE_INFINITY : (read.at(-1) ?? 0);
    gaps.forEach((behind, gap) => {
      if (gap >= firstGap && behind >= start && behind < last)
        expect([...resets], `${tab.name}: resets`).to.include(gap);
    });
  }
}
