import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const running = new Set<ChildProcess>();

// A load that outlives its benchmark spoils every later figure.
process.on('exit', () => {
  for (const pid of tree([...running].flatMap(({ pid }) => pid ?? []))) kill(pid);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Raises the limit of open files as far as it goes, then becomes the command. */
const RAISE = 'ulimit -n 100000 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"';

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
}

export function start(command: readonly string[], options: SpawnOptions & { log?: string } = {}): Started {
  const { log, ...rest } = options;
  const out = log ? openSync(log, 'a') : 'ignore';
  const child = spawn('/bin/sh', ['-c', RAISE, ...command], { stdio: ['ignore', out, out], ...rest });
  if (child.pid === undefined) throw new Error(`cannot start ${command[0]}`);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return { child, pid: child.pid };
}

export async function stop(started: Started): Promise<void> {
  const { child } = started;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  // Some peers drain politely for longer than a benchmark cares to wait.
  const overdue = setTimeout(() => child.kill('SIGKILL'), 15_000);
  const family = tree([started.pid]);
  await exited;
  clearTimeout(overdue);
  // Children of a killed master go on: nginx's workers, for one.
  for (const pid of family.slice(1)) kill(pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone by itself, as it should.
  }
}

export async function until<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await pause(20);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** The processes and all their descendants. */
export function tree(roots: readonly number[]): number[] {
  const found = [...roots];
  for (let i = 0; i < found.length; i++) {
    try {
      for (const task of readdirSync(`/proc/${found[i]}/task`)) {
        const children = readFileSync(`/proc/${found[i]}/task/${task}/children`, 'utf8');
        found.push(...children.split(' ').filter(Boolean).map(Number));
      }
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** Processor time of the processes and their descendants, in seconds; /proc counts in hundredths. */
export function cpuSeconds(roots: readonly number[]): number {
  let ticks = 0;
  for (const pid of tree(roots)) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended while we looked; no peer's worker should, and its stream checks would tell.
    }
  }
  return ticks / 100;
}

/** What the processes and their descendants hold, shared pages by their share, in KB. */
export function memoryKilobytes(roots: readonly number[]): number {
  let sum = 0;
  for (const pid of tree(roots)) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    sum += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return sum;
}

/** All processor time that the machine has spent so far, whoever did, in seconds; stolen time counts as spent. */
export function machineSeconds(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/);
  return [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}
