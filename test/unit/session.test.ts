import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Backlog } from '../../src/backlog/backlog.ts';
import type { Connection } from '../../src/connection/connection.ts';
import { SisyphusError } from '../../src/errors.ts';
import { Hub } from '../../src/hub/hub.ts';
import { createLogger } from '../../src/logger.ts';
import type { Message } from '../../src/message/message.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { Session } from '../../src/session/session.ts';
import type { Start } from '../../src/session/start.ts';
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
      lastSent: 0,
      onClose: () => undefined,
      open: (status: string, position: Position) => say(status, position),
      message: (message: Message) => say(message, message.id),
      reset: (channel: string, _reason: string, position: Position) =>
        say({ reset: channel, at: world.last }, position),
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
      rights: async (users) => {
        await this.beforeRead();
        return backlog.rights(users);
      },
      read: async (requests) => {
        await this.beforeRead();
        return backlog.read(requests);
      },
      open: async (requests, signal) => {
        await this.beforeRead();
        return backlog.open(requests, signal);
      },
    };
    this.hub = new Hub({ source, backlog: this.backlog, recordsPlain: () => false, retention, logger });
  }

  static async open(length: number): Promise<World> {
    const world = new World(length);
    world.hub.start();
    await eventually(() => world.hub.isOpen);
    return world;
  }

  async publish(channel: string, text: string): Promise<Position> {
    this.last = (await publishOne(this.store, channel, text)).id;
    return this.last;
  }

  session(client: Client, connection = client.connection(), now = Date.now): Session {
    const { hub, backlog } = this;
    const options = { user: '7', hub, backlog, logger, recordsPlain: () => false, maxBuffer: 1_000_000, now };
    return new Session({ ...options, connection });
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
    const { read } = world.backlog;
    world.backlog.read = async (requests) => {
      await turn();
      return read(requests);
    };
    await world.session(client).open({ kind: 'after', position });
    expect(client.texts).to.deep.equal(['ok', '2']);
  });

  it('tells of no gap where what was trimmed while it read came live', async () => {
    await world.session(client).open({ kind: 'now' });
    world.beforeRead = async () => {
      world.beforeRead = async () => undefined;
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
    expect(await survives(6, () => world.hub.unanswered())).to.equal(true);
  });

  it('waits a while for a Redis that answers others', async () => {
    expect(await survives(2, () => undefined)).to.equal(true);
    expect(await survives(6, () => undefined)).to.equal(false);
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
    const { hub, backlog } = world;
    const options = { user: '7', hub, backlog, logger, recordsPlain: () => true, maxBuffer: 1_000_000 };
    session = new Session({ ...options, connection: client.connection() });
    await session.open({ kind: 'now' });
  });
  afterEach(async () => {
    session.close('client');
    await world.close();
  });

  const id = (further: number): Position => (at + further) as Position;

  /** Published in this order: a text to the user, one to the room, the revocation; recorded in another. */
  async function revoked(atomic: boolean): Promise<string[]> {
    const rights = { before: session.version, now: id(10), added: [], removed: [ROOM], atomic };
    const unchanged = { before: id(10), now: id(10), added: [], removed: [], atomic: false };
    session.plain(Buffer.from('news'));
    const user = { channel: 'user:7', revision: 1 };
    session.receive(aMessage({ ...user, id: id(10), payload: Buffer.from('revoked'), rights }));
    session.receive(aMessage({ ...user, id: id(11), payload: Buffer.from('news'), after: at, rights: unchanged }));
    const payload = Buffer.from('to the room');
    session.receive(aMessage({ channel: ROOM, id: id(12), previous: at, after: at, payload }));
    await eventually(() => client.position! >= id(11));
    await turns(3);
    return client.texts.slice(1);
  }

  it('gives what was published before a revocation that came with no other message', async () => {
    expect(await revoked(true)).to.deep.equal(['revoked', 'news', 'to the room']);
  });

  it('gives nothing behind what may have announced the revocation first', async () => {
    expect(await revoked(false)).to.deep.equal(['revoked', 'news']);
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
    await eventually(() => client.messages.at(-1)?.id === sentinel);
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
