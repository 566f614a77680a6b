import { connect } from 'node:net';
import { now } from '../clock.ts';
import { expectNoReset, expectNothingSeen, type Findings, framesOf, pause, scenario } from '../scenario.ts';
import { watchMemory } from '../support/memory.ts';
import type { World } from '../world.ts';

const MEGABYTE = 1024 * 1024;
const BYTES = 200_000;
/** What the gateway and Redis may take above their rest, each. */
const MEMORY = 64 * MEGABYTE;
/** How much later others may get their messages (ms). The short form runs beside other tests, which take the processors for as long as that. */
const DELAY = { long: 100, short: 600 };

/** What a client that was away got back, and how often it had to ask. */
interface Returned {
  messages: number;
  attempts: number;
  took: number;
}

export const largeReplays = scenario({
  name: 'large-replays',
  sentence: 'serves those who missed much one after the other, all of them, without making others wait or growing much',
  seconds: { short: 10, long: 40 },
  plan: () => ({ gateways: 1, changes: 0, rate: 60, env: { SISYPHUS_MAX_STREAMS_PER_USER: '100' } }),
  async act(world, run, findings) {
    const [clients, megabytes] = run.long ? [20, 60] : [10, 20];
    const from = await world.load.publish('fcall', 'heavy:0', 'the position of those who are away');
    await fill(world, megabytes);
    const before = percentile(latencies(world, from.sentAt));
    const [gateway, redis] = [watchMemory(world.posts[0]!.gateway.pid), watchMemory(world.redis.pid)];
    const at = now();
    world.note(`${clients} clients come back, who missed ${megabytes} MB each`);
    const due = Math.round((megabytes * MEGABYTE) / BYTES);
    const back = Array.from({ length: clients }, (_, i) =>
      comeBack(world, `heavy${i}`, from.id ?? 0, due, run.seconds * 1000),
    );
    const returned = await Promise.all(back);
    const slowest = percentile(latencies(world, at));
    const served = returned.filter(({ messages }) => messages === due);
    const first = served.filter(({ attempts }) => attempts === 1).length;
    findings.figures.served = `${served.length} of ${clients}, ${first} at the first try`;
    findings.figures.slowestReplay = `${Math.max(...returned.map(({ took }) => took)).toFixed(0)} ms`;
    findings.figures.p99 = `${before.toFixed(0)} ms before, ${slowest.toFixed(0)} ms meanwhile`;
    findings.expect(first === clients, `${first} of ${clients} were served at the first try`);
    findings.expect(
      slowest <= before + (run.long ? DELAY.long : DELAY.short),
      `others waited ${slowest.toFixed(0)} ms (p99), ${before.toFixed(0)} ms before`,
    );
    expectSmall(findings, 'the gateway', gateway.end());
    expectSmall(findings, 'Redis', redis.end());
    await pause(200);
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    expectNoReset(world, findings);
  },
});

/** Rooms that only those follow who will come back. */
async function fill(world: World, megabytes: number): Promise<void> {
  const rooms = Array.from({ length: 10 }, (_, i) => `heavy:${i}`);
  for (let i = 0; i < 40; i++) await world.admin.call('SADD', `user:heavy${i}:channels`, ...rooms);
  const text = 'x'.repeat(BYTES - 20);
  for (let i = 0; i * BYTES < megabytes * MEGABYTE; i++) {
    await world.load.publish('fcall', rooms[i % rooms.length]!, `${String(i).padStart(8)} ${text}`);
  }
  await pause(500);
}

/** Reads as fast as it can, and asks again with what it has where it is turned away. Never longer than `patience`. */
async function comeBack(world: World, user: string, from: number, due: number, patience: number): Promise<Returned> {
  const began = now();
  const result: Returned = { messages: 0, attempts: 0, took: patience };
  let position = String(from);
  while (result.messages < due && now() - began < patience) {
    result.attempts++;
    position = await read(world.posts[0]!.port, user, position, patience - (now() - began), (count) => {
      result.messages += count;
      return result.messages >= due;
    });
  }
  if (result.messages >= due) result.took = now() - began;
  return result;
}

/** Counts the messages of one stream, without keeping them. Answers the last position. */
function read(
  port: number,
  user: string,
  from: string,
  patience: number,
  got: (count: number) => boolean,
): Promise<string> {
  return new Promise((resolve) => {
    let position = from;
    let tail = '';
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(position);
    };
    const timer = setTimeout(end, patience);
    socket.on('connect', () => {
      socket.write(
        `GET /?user=${user} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: ${from}\r\n\r\n`,
      );
    });
    socket.on('data', (bytes) => {
      const text = tail + bytes.toString('latin1');
      let count = 0;
      // The id of a message stands behind its text, that of a status before it.
      for (const [, id] of text.matchAll(/x\nid: (\d+)\n\n/g)) {
        position = id ?? position;
        count++;
      }
      tail = text.slice(-40).replace(/x\nid: \d+\n\n/g, '');
      if (count > 0 && got(count)) end();
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('close', end);
  });
}

/** From a publish by script to each reader (ms), of what was published since a moment. */
function latencies(world: World, since: number): number[] {
  const sentAt = new Map<number, number>();
  for (const { id, sentAt: at, channel } of world.ledger.publications) {
    if (id !== undefined && at >= since && !channel.startsWith('heavy:')) sentAt.set(id, at);
  }
  return framesOf(world, 'message', since).flatMap(({ id, at }) => (sentAt.has(id) ? [at - sentAt.get(id)!] : []));
}

function percentile(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.floor(values.length * 0.99)] ?? 0;
}

function expectSmall(findings: Findings, who: string, grown: number): void {
  const megabytes = Math.round(grown / MEGABYTE);
  findings.figures[`${who} grew`] = `${megabytes} MB`;
  findings.expect(grown <= MEMORY, `${who} took ${megabytes} MB more`);
}
