import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Backlog } from '../../src/backlog/backlog.ts';
import type { Connection } from '../../src/connection/connection.ts';
import { Counters } from '../../src/counters.ts';
import { SisyphusError } from '../../src/errors.ts';
import { Hub } from '../../src/hub/hub.ts';
import { createLogger } from '../../src/logger.ts';
import { Delivery } from '../../src/message/delivery.ts';
import type { Message } from '../../src/message/message.ts';
import { type Place, placeOf } from '../../src/message/place.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import type { Change, RightsChange } from '../../src/message/rights-change.ts';
import type { Start } from '../../src/reading/start.ts';
import { Session } from '../../src/session/session.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { publishOne } from '../contract/store.ts';
import { aMessage } from '../support/messages.ts';
import { eventually } from '../support/wait.ts';

const ROOMS = ['room:a', 'room:b', 'room:c'];
const logger = createLogger('silent');

/** A client that comes back with the position it has got to: what it heard, over all its connections. */
class Client {
  readonly heard: (string | Message | { reset: string; at: Position })[] = [];
  position: Position | undefined;

  connection(): Connection {
    const client = this;
    const connection = {
      closed: false,
      transport: 'stream' as const,
      lastSent: 0,
      onClose: () => undefined,
      open: (status: string, position: Position) => say(status, position),
      message: ({ message }: Delivery) => say(message, message.id),
      reset: (channel: string, _reason: string, position: Position) =>
        say({ reset: channel, at: world.last }, position),
      denied: () => undefined,
      noop: (position: Position) => say('noop', position),
      drained: async () => undefined,
      acknowledged: () => undefined,
      close: () => {
        connection.closed = true;
      },
    };
    const world = this.world;
    function say(what: Client['heard'][number], position: Position): void {
      if (connection.closed) return;
      client.heard.push(what);
      client.position = position;
    }
    return connection;
  }

  readonly world: World;
  constructor(world: World) {
    this.world = world;
  }

  get messages(): Message[] {
    return this.heard.filter((what): what is Message => typeof what === 'object' && 'payload' in what);
  }

  get texts(): string[] {
    return this.heard.flatMap((what) => {
      if (typeof what === 'string') return [what];
      return 'payload' in what ? [what.payload.toString()] : [`reset ${what.reset}`];
    });
  }
}

/** A hub over a store in memory that keeps so many messages of a room. */
class World {
  readonly store: MemoryStore;
  readonly hub: Hub;
  readonly backlog: Backlog;
  readonly counters = new Counters();
  /** The last id that was published. */
  last = BEGINNING;
  /** Called whenever a backlog, or a list, is about to be read. */
  beforeRead: () => Promise<unknown> = async () => undefined;

  constructor(length: number) {
    const retention = (channel: string) => ({ length: channel.startsWith('room:') ? length : 100, ttl: 3_600_000 });
    this.store = new MemoryStore({ retention, maxMessage: 1000 });
    const { backlog, source } = this.store;
    this.backlog = {
      publish: (publications) => backlog.publish(publications),
      grant: (...args) => backlog.grant(...args),
      revoke: (...args) => backlog.revoke(...args),
      disconnect: (user) => backlog.disconnect(user),
      position: () => backlog.position(),
      rights: async (users) => {
        await this.beforeRead();
        return backlog.rights(users);
      },
      open: async (requests, signal) => {
        await this.beforeRead();
        return backlog.open(requests, signal);
      },
      counters: (channels) => backlog.counters(channels),
    };
    this.hub = new Hub({
      source,
      backlog: this.backlog,
      counters: this.counters,
      recordsPlain: () => false,
      retention,
      logger,
    });
  }

  static async open(length: number): Promise<World> {
    const world = new World(length);
    world.hub.start();
    await eventually(() => world.hub.isOpen, 5000, 1);
    return world;
  }

  async publish(channel: string, text: string): Promise<Position> {
    this.last = (await publishOne(this.store, channel, text)).id;
    return this.last;
  }

  session(client: Client, connection = client.connection(), now = Date.now, named?: ReadonlySet<string>): Session {
    const { hub, backlog, counters } = this;
    const options = { user: '7', hub, backlog, counters, logger, recordsPlain: () => false, maxBuffer: 1_000_000, now };
    return new Session({ ...options, connection, named, pauses: { first: 10, last: 100 } });
  }

  async close(): Promise<void> {
    await this.hub.close();
    await this.store.close();
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

describe('a session, at the seam between what is read and what comes live', () => {
  let world: World;
  let client: Client;
  beforeEach(async () => {
    world = await World.open(1);
    client = new Client(world);
  });
  afterEach(() => world.close());

  it('stays open where what was missed cannot be read at once, and its client knows that it is connected', async () => {
    await world.backlog.grant('7', 'room:a', Buffer.from('granted'));
    const position = await world.publish('room:a', '1');
    await world.publish('room:a', '2');
    world.beforeRead = async () => {
      if (!client.texts.includes('ok')) return;
      world.beforeRead = async () => undefined;
      throw new Error('no answer');
    };
    // The list is read before `ok`, and the backlog in one turn with it.
    const { open } = world.backlog;
    world.backlog.open = async (...asked) => {
      await turn();
      return open(...asked);
    };
    await world.session(client).open({ kind: 'after', position });
    expect(client.texts).to.deep.equal(['ok', '2']);
  });

  it('counts no reset that its client was not told, because it had left', async () => {
    for (const room of ROOMS) await world.backlog.grant('7', room);
    const position = await world.publish('room:a', '1');
    for (const room of [...ROOMS, ...ROOMS]) await world.publish(room, '2');
    const connection = client.connection();
    const drained = async () => {
      if (client.heard.length === 2) session.close('client');
    };
    const session = world.session(client, Object.assign(connection, { drained }));
    await session.open({ kind: 'after', position });
    expect(client.texts).to.deep.equal(['ok', 'reset room:a']);
    expect(world.counters.snapshot().resets).to.deep.equal({ trimmed: 1 });
  });

  it('has not opened where its client was turned away meanwhile', async () => {
    await world.backlog.grant('7', 'room:a', Buffer.from('granted'));
    await world.publish('room:a', '1');
    const session = world.session(client);
    let opened = 0;
    session.onOpen = () => opened++;
    const { open } = world.backlog;
    // The first page is there already when it is withdrawn.
    world.backlog.open = async (requests) => {
      const reading = await open(requests);
      session.close('redis');
      return reading;
    };
    await session.open({ kind: 'overlap', count: 1 });
    expect([session.opened, opened, client.texts]).to.deep.equal([false, 0, []]);
  });

  it('ends because of a mistake, and not of Redis, where it made one', async () => {
    const reasons: string[] = [];
    const session = world.session(
      client,
      Object.assign(client.connection(), { close: (why: string) => reasons.push(why) }),
    );
    await session.open({ kind: 'now' });
    world.beforeRead = async () => {
      throw new TypeError('no such thing');
    };
    session.refresh();
    await eventually(() => reasons.length > 0);
    expect(reasons).to.deep.equal(['internal']);
  });

  it('gives what was published on a channel that was granted while it opened', async () => {
    await world.backlog.grant('7', 'room:a');
    const position = await world.publish('room:a', '1');
    const { rights } = world.backlog;
    world.backlog.rights = async (users) => {
      world.backlog.rights = rights;
      // The answer is on its way when the list changes.
      const answer = await rights(users);
      await world.backlog.grant('7', 'room:b', Buffer.from('granted'));
      await world.publish('room:b', '2');
      await world.publish('room:a', '3');
      await turns(3);
      return answer;
    };
    await world.session(client).open({ kind: 'after', position });
    await eventually(() => client.messages.length >= 3);
    expect(client.texts).to.deep.equal(['ok', 'granted', '2', '3']);
  });

  it('has a right to the only channel that it names where that was granted while it opened', async () => {
    const { rights } = world.backlog;
    world.backlog.rights = async (users) => {
      world.backlog.rights = rights;
      const answer = await rights(users);
      await world.backlog.grant('7', 'room:b');
      await turns(3);
      return answer;
    };
    const connection = client.connection();
    await world.session(client, connection, Date.now, new Set(['room:b'])).open({ kind: 'now' });
    expect(connection.closed).to.equal(false);
    await world.publish('room:b', '1');
    await eventually(() => client.messages.length > 0);
    expect(client.texts).to.deep.equal(['ok', '1']);
  });

  it('has what is read for a client withdrawn that has left', async () => {
    await world.backlog.grant('7', 'room:a', Buffer.from('granted'));
    const position = await world.publish('room:a', '1');
    await world.publish('room:a', '2');
    let signal: AbortSignal | undefined;
    world.backlog.open = async (_requests, given) => {
      signal = given;
      return new Promise((_, reject) => given?.addEventListener('abort', () => reject(given.reason)));
    };
    const session = world.session(client);
    const opening = session.open({ kind: 'after', position });
    await eventually(() => signal !== undefined);
    expect(signal!.aborted).to.equal(false);
    session.close('client');
    await opening;
    expect(signal!.aborted).to.equal(true);
  });

  it('tells of no gap where what was trimmed while it read came live', async () => {
    await world.session(client).open({ kind: 'now' });
    // As if the hub did not remember: what it remembers it would not read.
    world.hub.recent = () => undefined;
    const { follow } = world.hub;
    world.hub.follow = async (...asked) => {
      world.hub.follow = follow;
      await world.hub.follow(...asked);
      await world.publish('room:a', '1');
      await world.publish('room:a', '2');
    };
    await world.backlog.grant('7', 'room:a', Buffer.from('granted'));
    await eventually(() => client.messages.length === 3);
    expect(client.texts).to.deep.equal(['ok', 'granted', '1', '2']);
  });

  it('tells of no gap where what was trimmed is held since the channel was granted the first time', async () => {
    await world.session(client).open({ kind: 'now' });
    world.beforeRead = turn;
    await world.backlog.grant('7', 'room:a');
    await world.backlog.revoke('7', 'room:a');
    await world.backlog.grant('7', 'room:a', Buffer.from('granted again'));
    await turn();
    await world.publish('room:b', '0');
    await world.publish('room:a', '1');
    await world.publish('room:a', '2');
    await eventually(() => client.messages.length === 5);
    expect(client.texts.slice(-3)).to.deep.equal(['granted again', '1', '2']);
  });

  it('tells of a gap where what was trimmed before it could read is gone', async () => {
    await world.session(client).open({ kind: 'now' });
    void world.backlog.grant('7', 'room:a', Buffer.from('granted'));
    void world.publish('room:a', '1');
    void world.publish('room:a', '2');
    await eventually(() => client.messages.length === 2);
    expect(client.texts.filter((text) => text.startsWith('reset'))).to.deep.equal(['reset room:a']);
    expect(client.texts.slice(-1)).to.deep.equal(['2']);
  });
});

describe('a session, whose list cannot be read', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open(3);
  });
  afterEach(() => world.close());

  /** Opens a stream, and has its list read while each try fails, 2 s later than it began. Answers whether it stays open. */
  async function survives(tries: number, failed: () => void): Promise<boolean> {
    let now = 0;
    const client = new Client(world);
    const connection = client.connection();
    const session = world.session(client, connection, () => now);
    await session.open({ kind: 'now' });
    let left = tries;
    world.beforeRead = async () => {
      if (left-- <= 0) return;
      now += 2000;
      failed();
      throw new SisyphusError('redis_unavailable', 'Redis does not answer');
    };
    session.refresh();
    await eventually(() => connection.closed || left < 0);
    session.close('client');
    return left < 0;
  }

  it('waits for a Redis that answers nobody, however long: the grace is for all streams', async () => {
    expect(await survives(6, () => world.hub.down())).to.equal(true);
  });

  it('waits for a Redis that answers others, too: it is slow, and an open stream is none of its load', async () => {
    expect(await survives(6, () => undefined)).to.equal(true);
  });
});

describe('a session, whose rights change while a plain PUBLISH to its user is not recorded yet', () => {
  const ROOM = 'room:a';
  let world: World;
  let client: Client;
  let session: Session;
  let at: Position;
  beforeEach(async () => {
    world = await World.open(3);
    client = new Client(world);
    await world.backlog.grant('7', ROOM);
    at = await world.publish(ROOM, 'before');
    const { hub, backlog, counters } = world;
    const options = { user: '7', hub, backlog, counters, logger, recordsPlain: () => true, maxBuffer: 1000 };
    session = new Session({ ...options, connection: client.connection() });
    await session.open({ kind: 'now' });
  });
  afterEach(async () => {
    session.close('client');
    await world.close();
  });

  const id = (further: number): Position => (at + further) as Position;
  const receive = (message: Message): void => session.receive(new Delivery(message));
  const own = { channel: 'user:7', revision: 1 };
  /** Behind the message with which the session began. */
  const plainly = (number: number): Place => ({ id: at, number });

  /** The message that says `news` to the user, recorded with this id; its rights are those of before. */
  function news(further: number, number: number, rights?: Partial<RightsChange>): Message {
    const change = { before: session.version, now: session.version, changes: [], ...rights };
    return aMessage({ ...own, id: id(further), place: plainly(number), payload: Buffer.from('news'), rights: change });
  }

  function toRoom(further: number, text: string, place = placeOf(id(further))): Message {
    return aMessage({ channel: ROOM, id: id(further), place, payload: Buffer.from(text) });
  }

  const revoked = (place: Place, was?: Place): Change[] => [
    { channel: ROOM, kind: 'revoked', place, ...(was ? { was } : {}) },
  ];

  async function given(upTo: Position): Promise<string[]> {
    await eventually(() => client.position! >= upTo);
    await turns(3);
    return client.texts.slice(1);
  }

  it('gives what was published before a revocation, however late it is recorded', async () => {
    session.plain('user:7', Buffer.from('news'));
    const rights = { before: session.version, now: id(10), changes: revoked(placeOf(id(10))) };
    receive(aMessage({ ...own, id: id(10), payload: Buffer.from('revoked'), rights }));
    receive(news(11, 1));
    receive(toRoom(12, 'before it', plainly(2)));
    receive(toRoom(13, 'behind it'));
    expect(await given(id(12))).to.deep.equal(['revoked', 'news', 'before it']);
  });

  it('gives nothing behind a plain message that turns out to have announced the revocation', async () => {
    session.plain('user:7', Buffer.from('news'));
    receive(toRoom(9, 'between'));
    const rights = { before: session.version, now: id(10), changes: revoked(placeOf(id(10))) };
    receive(aMessage({ ...own, id: id(10), payload: Buffer.from('shows it'), rights }));
    await turns(3);
    expect(client.texts.slice(1), 'waits for the record').to.deep.equal([]);
    const moved = revoked(plainly(1), placeOf(id(10)));
    receive(news(11, 1, { before: id(10), now: id(11), changes: moved }));
    receive(toRoom(12, 'late', plainly(2)));
    expect(await given(id(11))).to.deep.equal(['shows it', 'news']);
  });

  it('waits for those that were published before what it gives, and for no others', async () => {
    session.plain('user:7', Buffer.from('news'));
    receive(toRoom(10, 'first'));
    session.plain('user:7', Buffer.from('news'));
    receive(toRoom(11, 'second'));
    receive(news(12, 1));
    expect(await given(id(10))).to.deep.equal(['first']);
    receive(news(13, 2));
    expect(await given(id(13))).to.deep.equal(['first', 'second', 'news', 'news']);
  });

  it('takes no older record of the same text for the one it waits for', async () => {
    const heard = world.hub.heard;
    session.plain('user:7', Buffer.from('news'));
    receive(
      aMessage({ ...own, id: id(5), place: { id: (heard - 1) as Position, number: 1 }, payload: Buffer.from('news') }),
    );
    receive(toRoom(10, 'behind it'));
    await turns(3);
    expect(client.texts.slice(1)).to.deep.equal([]);
    receive(news(12, 1));
    expect(await given(id(12))).to.deep.equal(['news', 'behind it', 'news']);
  });

  it('does not wait for what is published to another user whose channel it follows', async () => {
    session.plain('user:8', Buffer.from('news'));
    receive(toRoom(10, 'at once'));
    expect(client.texts.slice(1)).to.deep.equal(['at once']);
  });

  it('gives nothing of what is healed until it has heard all of it', async () => {
    session.hold();
    receive(toRoom(10, 'behind the revocation'));
    await turns(3);
    expect(client.texts.slice(1)).to.deep.equal([]);
    receive(news(11, 1, { now: id(11), changes: revoked(plainly(1)) }));
    session.release();
    expect(await given(id(11))).to.deep.equal(['news']);
  });

  it('reads again what was more than it holds, in order and without a gap', async () => {
    session.plain('user:7', Buffer.from('news'));
    for (let i = 0; i < 3; i++) {
      const last = await world.publish(ROOM, `${i}`.repeat(400));
      await eventually(() => world.hub.position >= last);
    }
    await turns(3);
    expect(client.texts.slice(1)).to.deep.equal([]);
    receive(news(1_000_000_000, 1));
    await eventually(() => client.messages.length === 4);
    expect(client.texts.slice(1).map((text) => text[0])).to.deep.equal(['0', '1', '2', 'n']);
  });

  it('tells of what it has gone past, also where it reads in its list that a grant has moved', async () => {
    const OTHER = 'room:b';
    const heard = async (published: Promise<Position>): Promise<Position> => {
      const id = await published;
      await eventually(() => world.hub.position >= id);
      return id;
    };
    /** What the list is, when it is read again. */
    async function reread(version: Position, change: Omit<Change, 'channel' | 'kind'>): Promise<void> {
      const channels = new Map([ROOM, OTHER].map((channel) => [channel, BEGINNING]));
      const changes: Change[] = [{ channel: OTHER, kind: 'granted', ...change }];
      world.backlog.rights = async () => [{ version, channels, changes, unsettled: false, problem: undefined }];
      session.refresh();
      await eventually(() => session.version === version);
      await turns(3);
    }
    const unseen = await heard(world.publish(OTHER, 'unseen'));
    const look = (unseen + 1) as Position;
    await reread(look, { place: placeOf(look) });
    await heard(world.publish(OTHER, 'behind the look'));
    const last = await heard(world.publish(ROOM, 'past it'));
    expect(await given(last)).to.deep.equal(['behind the look', 'past it']);
    const told = (last + 1) as Position;
    await reread(told, { place: plainly(1), was: placeOf(look), told });
    await eventually(() => client.texts.includes(`reset ${OTHER}`));
    expect(client.texts.slice(1)).to.deep.equal(['behind the look', 'past it', `reset ${OTHER}`]);
  });
});

describe('a session, through any history', () => {
  type Step = { kind: 'publish' | 'grant' | 'revoke' | 'drop' | 'turn'; room: number };
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom(
      'publish',
      'publish',
      'publish',
      'publish',
      'grant',
      'grant',
      'revoke',
      'drop',
      'turn',
      'turn',
    ),
    room: fc.nat(ROOMS.length - 1),
  });

  /** What happened, in its order; `ready` when a session has gone over to live. */
  type Event = { kind: Exclude<Step['kind'], 'turn'> | 'ready'; room: string; id: Position };

  it('gives everything once, in order, or tells; nothing that was not granted; no reset where nothing was missed', async function () {
    this.timeout(60_000);
    const histories = fc.array(step, { minLength: 3, maxLength: 40 });
    const delays = fc.array(fc.nat(6), { minLength: 1, maxLength: 20 });
    await fc.assert(fc.asyncProperty(histories, delays, fc.integer({ min: 1, max: 4 }), live), { numRuns: 300 });
  });

  /** One client through one history; each read takes as many turns of the event loop as `delays` says. */
  async function live(steps: Step[], delays: number[], length: number): Promise<void> {
    const world = await World.open(length);
    const client = new Client(world);
    const truth: Event[] = [];
    let reads = 0;
    world.beforeRead = () => turns(delays[reads++ % delays.length]!);
    let session = world.session(client);
    let opening = session.open({ kind: 'now' });
    await opening;
    for (const { kind, room: index } of steps) {
      const room = ROOMS[index]!;
      if (kind === 'turn') await turn();
      else if (kind === 'drop') {
        session.connection.close('client', BEGINNING);
        session.close('client');
        truth.push({ kind, room, id: world.last });
        session = world.session(client);
        const start: Start =
          client.position === undefined ? { kind: 'now' } : { kind: 'after', position: client.position };
        const current = session;
        const ready = current.open(start).then(() => {
          if (current === session) truth.push({ kind: 'ready', room, id: world.last });
        });
        opening = Promise.all([opening, ready]).then(() => undefined);
      } else if (kind === 'publish') {
        truth.push({ kind, room, id: await world.publish(room, `${truth.length}`) });
      } else {
        const { id } = await world.backlog[kind]('7', room);
        world.last = id;
        truth.push({ kind, room, id });
      }
    }
    await opening;
    const sentinel = await world.publish('user:7', 'the end');
    await eventually(() => client.messages.at(-1)?.id === sentinel, 5000, 1);
    await world.close();
    judge(client, truth);
  }

  function judge(client: Client, truth: Event[]): void {
    const ids = client.messages.map(({ id }) => id);
    expect(ids, 'once, in order').to.deep.equal([...new Set(ids)].sort((a, b) => a - b));
    const granted = new Set<string>();
    const due: { room: string; id: Position }[] = [];
    for (const [i, { kind, room, id }] of truth.entries()) {
      if (kind === 'grant') granted.add(room);
      else if (kind === 'revoke') granted.delete(room);
      else if (kind === 'publish' && !granted.has(room)) expect(ids, `${room} was not granted`).not.to.include(id);
      else if (kind === 'publish') {
        // Revoked while it was away: nothing of the channel comes at all.
        const revoked = truth.findIndex((event, j) => j > i && event.kind === 'revoke' && event.room === room);
        if (revoked < 0 || isLiveFrom(truth, revoked)) due.push({ room, id });
      }
    }
    const resets = client.heard.flatMap((what) => (typeof what === 'object' && 'reset' in what ? [what] : []));
    for (const { room, id } of due) {
      const told = resets.some(({ reset, at }) => reset === room && at >= id);
      expect(ids.includes(id) || told, `${id} of ${room} neither received nor told`).to.equal(true);
    }
    for (const { reset, at } of resets) {
      const missed = truth.some(
        ({ kind, room, id }) => kind === 'publish' && room === reset && id <= at && !ids.includes(id),
      );
      expect(missed, `a reset of ${reset} where nothing was missed`).to.equal(true);
    }
  }

  /** Whether the client was reading live at this event, and stayed. */
  function isLiveFrom(truth: Event[], index: number): boolean {
    if (truth.slice(index).some(({ kind }) => kind === 'drop')) return false;
    const before = truth.slice(0, index);
    const drop = before.findLastIndex(({ kind }) => kind === 'drop');
    return drop < 0 || before.slice(drop).some(({ kind }) => kind === 'ready');
  }
});
