import { spawn } from 'node:child_process';
import type { Block } from './documents.ts';
import { ROOT } from './documents.ts';
import { within } from './wait.ts';

/** What goes on until somebody stops it. */
const GOES_ON = /curl -N|bin\/sisyphus (serve|tail)/;
const PATIENCE = 15_000;
const ID = '1\\d{15}';
const TIME = '\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z';

export interface Ports {
  gateway: number;
  redis: number;
}

/** A script of a page at work. What it starts is ended with it. */
class Script {
  stdout = '';
  stderr = '';
  readonly exited: Promise<number | null>;
  readonly #pid: number;
  #hasExited = false;

  constructor(command: string, args: string[], env: NodeJS.ProcessEnv) {
    const child = spawn(command, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#pid = child.pid ?? 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      child.once('error', () => resolve(null));
      child.once('close', (code) => {
        this.#hasExited = true;
        resolve(code);
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#hasExited || this.#pid === 0) return;
    try {
      process.kill(-this.#pid, 'SIGTERM');
    } catch {
      // It has ended in this moment.
    }
    await within(this.exited, PATIENCE, 'the end of a script');
  }
}

/**
 * Runs the blocks of one page, in their order, as a reader would type them. Hosts, ports and paths are those of the test. An id in
 * a page stands for the one that was printed in its place: it is known once the text that has it was found in the output.
 */
export class BlockRunner {
  readonly #ports: Ports;
  readonly #env: NodeJS.ProcessEnv;
  readonly #watchers: Script[] = [];
  readonly #ids = new Map<string, string>();
  /** Of the last script that has ended. */
  #output = '';
  /** Whether the last script goes on. */
  #goesOn = false;

  constructor(ports: Ports, env: NodeJS.ProcessEnv) {
    this.#ports = ports;
    this.#env = env;
  }

  /** What the last script has printed, if that goes on; else that, and what all have printed that go on. */
  get outputs(): string[] {
    const all = this.#watchers.map(({ stdout }) => stdout);
    return this.#goesOn ? all.slice(-1) : [this.#output, ...all];
  }

  rewrite(text: string): string {
    const { gateway, redis } = this.#ports;
    const here = text
      .replaceAll('localhost:3001', `127.0.0.1:${gateway}`)
      .replaceAll('127.0.0.1:6379', `127.0.0.1:${redis}`)
      .replaceAll('redis-cli -p <port>', 'redis-cli')
      .replaceAll('<port>', String(redis))
      // Without -e it ends with 0 also if Redis has answered an error.
      .replaceAll('redis-cli ', `redis-cli -e -p ${redis} `)
      .replaceAll('PORT=3001', 'PORT=0')
      .replaceAll('new Redis()', `new Redis(${redis})`);
    return [...this.#ids].reduce((rest, [shown, real]) => rest.replaceAll(shown, real), here);
  }

  /** Bash; what goes on is left running. @throws Error if it fails */
  async shell({ text }: Block): Promise<void> {
    await this.#run('bash', ['-euo', 'pipefail', '-c', this.rewrite(text)], GOES_ON.test(text));
  }

  /** Node, as a module. */
  async node({ text }: Block): Promise<void> {
    // A connection to Redis would keep it alive.
    const code = `${this.rewrite(text)}\nprocess.exit();`;
    await this.#run(process.execPath, ['--input-type=module', '--eval', code], false);
  }

  /** Whether what the page shows was printed, but for ids, revisions and times. Takes note of the ids. */
  shows({ text }: Block): boolean {
    const ids: string[] = [];
    const tokens = text.trim().split(new RegExp(`(${TIME}|${ID}(?:[ \\n]\\d+\\b)?|retry: \\d+|"revision":\\d+|#\\d+)`));
    const pattern = tokens.map((token, i) => {
      if (i % 2 === 0) return token.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      if (new RegExp(`^${TIME}$`).test(token)) return TIME;
      const [id] = new RegExp(`^${ID}`).exec(token) ?? [];
      if (id === undefined) return token.replace(/\d+/, '\\d+');
      ids.push(id);
      return token.length > id.length ? `(${ID})${token[id.length]}\\d+` : `(${ID})`;
    });
    for (const output of this.outputs) {
      const match = [...output.matchAll(new RegExp(pattern.join(''), 'g'))].at(-1);
      if (!match) continue;
      for (const [i, id] of ids.entries()) this.#ids.set(id, match[i + 1]!);
      return true;
    }
    return false;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#watchers.map((script) => script.stop()));
  }

  async #run(command: string, args: string[], goesOn: boolean): Promise<void> {
    const script = new Script(command, args, this.#env);
    this.#goesOn = goesOn;
    if (goesOn) {
      this.#watchers.push(script);
      return;
    }
    const code = await within(script.exited, PATIENCE, 'the end of a script').finally(() => script.stop());
    if (code !== 0) throw new Error(`exit code ${code}\n${args.at(-1)}\n${script.stdout}${script.stderr}`);
    this.#output = script.stdout;
  }
}

/** What the calls of a driver in another language say to Redis: `publish("room:1", "x")`, `call("FCALL", …)`, `fcall(…)`. */
export function commandsIn(text: string): string[][] {
  const calls = [...text.matchAll(/(?:\.|->)(publish|call|fcall|rawCommand)\((.*)\);?$/gm)];
  return calls.map(([, method, list]) => {
    const args = [...list!.matchAll(/"([^"]*)"|'([^']*)'|(\d+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
    return method === 'publish' || method === 'fcall' ? [method.toUpperCase(), ...args] : args;
  });
}
