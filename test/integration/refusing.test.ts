import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { readMetrics } from '../support/metrics.ts';
import { fcallPublisher, PUBLISH_SECRET, plainPublisher } from '../support/publisher.ts';
import { openStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const OK = '<message><status>ok</status></message>';

interface Readiness {
  status: number;
  ready: boolean;
  reasons: string;
}

async function readiness({ url }: Gateway): Promise<Readiness> {
  const response = await fetch(`${url}/readyz`);
  const { ready, reasons = [] } = (await response.json()) as { ready: boolean; reasons?: string[] };
  return { status: response.status, ready, reasons: reasons.join('; ') };
}

/** A state in which Redis answers and takes no writes. */
interface State {
  begin(redis: Redis): Promise<unknown>;
  end(redis: Redis): Promise<unknown>;
}

async function dumpOf(redis: Redis): Promise<string> {
  const [, dir = ''] = (await redis.config('GET', 'dir')) as string[];
  return join(dir, 'dump.rdb');
}

const STATES: Record<string, State> = {
  NOREPLICAS: {
    begin: (redis) => redis.config('SET', 'min-replicas-to-write', '1'),
    end: (redis) => redis.config('SET', 'min-replicas-to-write', '0'),
  },
  MISCONF: {
    begin: async (redis) => {
      await redis.config('SET', 'save', '3600 1');
      // A folder cannot be replaced by a file.
      await mkdir(await dumpOf(redis));
      await redis.call('BGSAVE');
      await eventually(async () => /rdb_last_bgsave_status:err/.test(await redis.info('persistence')));
    },
    end: async (redis) => {
      await rmdir(await dumpOf(redis));
      await redis.call('BGSAVE');
    },
  },
  READONLY: {
    begin: (redis) => redis.call('REPLICAOF', '127.0.0.1', '1'),
    end: (redis) => redis.call('REPLICAOF', 'NO', 'ONE'),
  },
};

describe('Redis, refusing', function () {
  this.timeout(60_000);

  for (const [word, { begin, end }] of Object.entries(STATES)) {
    it(`writes (${word}): streams stay, readers are let in, publishers and /readyz get the reason`, async () => {
      const world: World = await startWorld({ SISYPHUS_REDIS_GRACE: '1s', SISYPHUS_NOOP_INTERVAL: '1s' });
      try {
        await world.allow('1', 'room:1');
        const stream = await world.openOk();
        const position = stream.lastEventId!;
        await world.publish.fcall('room:1', 'before');
        await stream.until(({ messages }) => messages.length === 1);
        await begin(world.client);
        const refused = await world.publish.http('room:1', 'refused').catch((error: Error) => error.message);
        expect(refused).to.contain('503').and.to.contain('redis_refused').and.to.contain(word);
        await world.publish.plain('room:1', 'waits');
        await pause(2500);
        const back = await world.openOk({ headers: { 'Last-Event-ID': position } });
        await back.until(({ messages }) => messages.length === 1);
        const noops = stream.frames.filter(({ data }) => data === 'noop').length;
        await eventually(() => stream.frames.filter(({ data }) => data === 'noop').length > noops);
        const { status, ready, reasons } = await readiness(world.gateway);
        expect({ status, ready }).to.deep.equal({ status: 200, ready: true });
        expect(reasons).to.contain(word).and.to.contain('expected');
        expect((await world.gateway.status()).reasons).to.deep.equal([reasons]);
        const figures = await readMetrics(world.gateway.url);
        const shown = ['ready', 'redis_up', 'publishing'].map((name) => figures.get(`sisyphus_${name}`));
        expect(shown).to.deep.equal([1, 1, 0]);

        await end(world.client);
        for (const one of [stream, back]) await one.until(({ messages }) => messages.length === 2, 5000);
        await eventually(() => world.publish.http('room:1', 'after'), 5000);
        await stream.until(({ messages }) => messages.length === 3);
        expect(stream.messages.map(({ data }) => data)).to.deep.equal(['before', 'waits', 'after']);
        expect(stream.frames.filter(({ data }) => data?.includes('<status>')).map(({ data }) => data)).to.deep.equal([
          OK,
        ]);
        await eventually(async () => (await readiness(world.gateway)).reasons === '', 12_000, 200);
        expect((await readMetrics(world.gateway.url)).get('sisyphus_publishing')).to.equal(1);
      } finally {
        await world.stop();
      }
    });
  }

  it('writes, from before the gateway started: readers are let in, and what was missed is replayed', async () => {
    const world = await startWorld();
    let second: Gateway | undefined;
    try {
      await world.allow('1', 'room:1');
      const stream = await world.openOk();
      const position = stream.lastEventId!;
      await world.publish.fcall('room:1', 'before');
      await stream.until(({ messages }) => messages.length === 1);
      await STATES.READONLY!.begin(world.client);
      second = await startGateway({ REDIS_URL: world.redis.url });
      const back = await openStream({ port: second.port, headers: { 'Last-Event-ID': position } }).ok();
      await back.until(({ messages }) => messages.some(({ data }) => data === 'before'));
      expect((await readiness(second)).status).to.equal(200);
      await STATES.READONLY!.end(world.client);
      await eventually(() => world.publish.fcall('room:1', 'after'));
      await back.until(({ messages }) => messages.some(({ data }) => data === 'after'), 5000);
      back.close();
    } finally {
      await second?.stop();
      await world.stop();
    }
  });

  it('a master that has become a replica: every connection goes to where the new one is, and streams stay', async () => {
    const args = ['--repl-diskless-sync-delay', '0'];
    const [old, next] = await Promise.all([startRedis({ args }), startRedis({ args })]);
    const [before, after] = [old.client(), next.client()];
    await after.call('REPLICAOF', '127.0.0.1', String(old.port));
    await eventually(async () => /master_link_status:up/.test(await after.info('replication')));
    const relay = await startRelay({ targetPort: old.port });
    const gateway = await startGateway({ REDIS_URL: `redis://127.0.0.1:${relay.port}`, SISYPHUS_REDIS_GRACE: '2s' });
    const left = async (): Promise<boolean> => !/name=sisyphus/.test(String(await before.client('LIST')));
    try {
      await before.sadd('user:1:channels', 'room:1');
      const stream = await openStream({ port: gateway.port }).ok();
      await fcallPublisher(before)('room:1', 'before');
      await stream.until(({ messages }) => messages.length === 1);
      relay.retarget(next.port);
      await after.call('REPLICAOF', 'NO', 'ONE');
      await before.call('REPLICAOF', '127.0.0.1', String(next.port));
      await eventually(left, 8000, 50);
      await eventually(async () => (await readiness(gateway)).status === 200, 5000, 50);
      await eventually(async () => ((await gateway.status()).recorder as { role: string }).role === 'leader', 5000, 50);
      await plainPublisher(after)('room:1', 'plain');
      await fcallPublisher(after)('room:1', 'fcall');
      await stream.until(({ messages }) => messages.some(({ data }) => data === 'plain'), 5000);
      expect(stream.messages.filter(({ event }) => event === undefined)).to.have.length(3);
      expect(stream.closed).to.equal(false);
      stream.close();
    } finally {
      await gateway.stop();
      await relay.stop();
      await Promise.all([old.stop(), next.stop()]);
    }
  });

  it('what readers need, or the connection: little is asked, the reason is said once, and in /readyz', async () => {
    const verdicts = await Promise.all(Object.entries(REFUSALS).map(([name, refusal]) => judge(name, refusal)));
    expect(verdicts.filter(({ wrong }) => wrong !== '')).to.deep.equal([]);
  });

  it('a command that the ACL denies: all is well when it is allowed', async () => {
    const redis = await startRedis();
    const client = redis.client();
    await client.call('ACL', 'SETUSER', 'gw', 'on', '>pw', '~*', '&*', '+@all', '-info');
    const gateway = await startGateway({
      REDIS_URL: redis.url.replace('//', '//gw:pw@'),
      SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
    });
    try {
      const { event, reason } = await gateway.waitForLog(({ event }) => event === 'redis_refuses');
      expect(`${event}: ${reason}`).to.equal('redis_refuses: Redis refuses INFO to user gw: expected +info in its ACL');
      expect(await readiness(gateway)).to.deep.equal({ status: 200, ready: true, reasons: reason });
      // Readers are served all the same.
      (await openStream({ port: gateway.port }).ok()).close();
      await client.call('ACL', 'SETUSER', 'gw', '+info');
      await gateway.waitForLog(({ event }) => event === 'redis_refuses_no_more', 12_000);
      expect(await readiness(gateway)).to.deep.equal({ status: 200, ready: true, reasons: '' });
      expect(gateway.logs.filter(({ event }) => event === 'redis_refuses')).to.have.length(1);
    } finally {
      await gateway.stop();
      await redis.stop();
    }
  });
});

/** A Redis that is answered by nobody's mistake but its own: how it is set up, and what is said of it. */
interface Refusal {
  args?: string[];
  prepare?(redis: Redis): Promise<unknown>;
  /** In the address, before the host. */
  login?: string;
  reason: RegExp;
  /** Whether readers are served. */
  ready?: boolean;
}

const REFUSALS: Record<string, Refusal> = {
  'no functions': {
    args: ['FUNCTION', 'FCALL', 'FCALL_RO'].flatMap((command) => ['--rename-command', command, '']),
    reason: /FCALL.*expected Redis 7/,
  },
  'RESP2 only': { args: ['--rename-command', 'HELLO', ''], reason: /RESP3.*expected Redis 7/ },
  'a node of a Cluster': { args: ['--cluster-enabled', 'yes'], reason: /Cluster.*expected a single Redis/ },
  'a replica without the functions': { args: ['--replicaof', '127.0.0.1 1'], reason: /READONLY.*expected a master/ },
  'INFO renamed': { args: ['--rename-command', 'INFO', 'STATE'], reason: /INFO.*expected/, ready: true },
  'another password': {
    prepare: (redis) => redis.call('ACL', 'SETUSER', 'gw', 'on', '>pw', '~*', '&*', '+@all'),
    login: 'gw:no@',
    reason: /WRONGPASS.*expected/,
  },
  'no password': { prepare: (redis) => redis.config('SET', 'requirepass', 'pw'), reason: /NOAUTH.*expected/ },
  'too many clients': { prepare: (redis) => redis.config('SET', 'maxclients', '1'), reason: /maxclients/ },
  'keys that are denied': {
    prepare: (redis) => redis.call('ACL', 'SETUSER', 'gw', 'on', '>pw', '~sisyphus:*', '&*', '+@all'),
    login: 'gw:pw@',
    reason: /user:\*:channels.*expected ~user/,
  },
};

/** How many connections Redis has had, and how many errors it has answered. */
async function asked(redis: Redis): Promise<{ connections: number; errors: number }> {
  const stats = String(await redis.call('INFO', 'stats').catch(() => redis.call('STATE', 'stats')));
  const figure = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(stats)?.[1]);
  return { connections: figure('total_connections_received'), errors: figure('total_error_replies') };
}

/** `wrong`: what is not as it should be. */
async function judge(name: string, refusal: Refusal): Promise<{ name: string; wrong: string }> {
  const { args = [], prepare, login = '', reason, ready = false } = refusal;
  const redis: RedisServer = await startRedis({ args });
  const client = redis.client({ enableReadyCheck: false });
  await prepare?.(client);
  const gateway = await startGateway({ REDIS_URL: redis.url.replace('//', `//${login}`) });
  try {
    await pause(1500);
    const [before, lines] = [await asked(client), gateway.logs.length];
    await pause(4000);
    const after = await asked(client);
    const opened = after.connections - before.connections;
    const errors = after.errors - before.errors;
    const said = gateway.logs.length - lines;
    const now = await readiness(gateway);
    const all = gateway.logs.filter(({ event }) => event !== 'listening');
    const wrong = [
      opened > 10 && `${opened} connections in 4 s`,
      errors > 300 && `${errors} errors in 4 s`,
      said > 2 && `${said} lines in 4 s`,
      all.length > 4 && `${all.length} lines: ${JSON.stringify(all)}`,
      !reason.test(now.reasons) && `/readyz: ${now.reasons}`,
      !all.some((line) => reason.test(String(line.reason))) && 'the log does not say why',
      now.ready !== ready && `ready: ${now.ready}`,
    ];
    return { name, wrong: wrong.filter(Boolean).join('; ') };
  } finally {
    await gateway.stop();
    await redis.stop();
  }
}
