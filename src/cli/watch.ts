import { readFile, stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { isExpected } from '../repeats.ts';
import { describe, requireName } from './collection.ts';
import { type Command, type Io, UsageError } from './command.ts';
import { openPublisher, type Publisher, Refusal } from './publisher.ts';
import { reasonOf } from './reason.ts';
import { FileProblem, recordsIn } from './records-file.ts';

/** How often the file is looked at (ms). It is read when two looks find the same. */
const EVERY = 100;
/** The pause after a failure (ms); it is doubled up to the second one. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

export const watch: Command = {
  name: 'watch',
  parameters: '<file>',
  summary: 'puts a JSON or CSV file whenever it changes, and says what that did',
  positionals: [1, 1],
  options: { collection: { type: 'string', meaning: 'the collection that the file is put to' } },
  async run({ positionals: [file], flags, options, env, stdout, stderr }) {
    if (options.collection === undefined) throw new UsageError('a collection is missing: expected --collection <name>');
    const collection = requireName(options.collection);
    const connect = (): Promise<Publisher> => openPublisher(flags, env);
    return new Watch(file!, collection, connect, { stdout, stderr }).run();
  },
};

/** Puts a file to a collection whenever it changes. It looks at the file instead of listening, which finds every way of writing one. */
class Watch {
  readonly #file: string;
  readonly #collection: string;
  readonly #connect: () => Promise<Publisher>;
  readonly #io: Pick<Io, 'stdout' | 'stderr'>;
  #publisher: Publisher | undefined;
  /** What the last look has found, and what was dealt with; `undefined`: nothing yet. */
  #seen: string | undefined;
  #handled: string | undefined;
  #said = '';
  #pause = FIRST_PAUSE;

  constructor(file: string, collection: string, connect: () => Promise<Publisher>, io: Pick<Io, 'stdout' | 'stderr'>) {
    this.#file = file;
    this.#collection = collection;
    this.#connect = connect;
    this.#io = io;
  }

  /** Never settles, but for a wrong configuration. */
  async run(): Promise<never> {
    this.#publisher = await this.#connect().catch((error: unknown) => {
      if (error instanceof UsageError || !isExpected(error)) throw error;
      this.#complain(reasonOf(error));
      return undefined;
    });
    for (;;) {
      await this.#look();
      await wait(EVERY);
    }
  }

  async #look(): Promise<void> {
    const found = await signatureOf(this.#file);
    const isQuiet = found === this.#seen;
    this.#seen = found;
    if (found === undefined) this.#complain(`${this.#file} is not there: waiting for it`);
    if (found === undefined || !isQuiet || found === this.#handled) return;
    try {
      const list = recordsIn(this.#file, await readFile(this.#file));
      // Whoever has written to it meanwhile may not have finished.
      if ((await signatureOf(this.#file)) !== found) return;
      await this.#put(list, found);
    } catch (error) {
      if (error instanceof FileProblem) this.#handled = found;
      this.#complain(
        `${this.#file} ${error instanceof FileProblem ? error.message : `cannot be read: ${reasonOf(error)}`}`,
      );
    }
  }

  async #put(list: string, found: string): Promise<void> {
    try {
      this.#publisher ??= await this.#connect();
      const changed = await this.#publisher.changeCollection('put', this.#collection, list);
      this.#io.stdout.write(`${this.#collection}: ${describe(changed)}\n`);
      this.#said = '';
      this.#handled = found;
      this.#pause = FIRST_PAUSE;
    } catch (error) {
      this.#complain(reasonOf(error));
      if (isForGood(error)) this.#handled = found;
      else await wait(this.#pause);
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    }
  }

  /** Says what is wrong, once until something else is. */
  #complain(text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#io.stderr.write(`sisyphus: ${text}\n`);
  }
}

/** Changes with everything that is written to the file, or with another file in its place; `undefined`: there is none. */
async function signatureOf(file: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch {
    // The file is not there, or a part of its path is not: it may come.
    return undefined;
  }
}

/** Whether the same file would be refused again. */
function isForGood(error: unknown): boolean {
  if (error instanceof Refusal) return error.status >= 400 && error.status < 500 && error.status !== 429;
  return error instanceof Error && 'code' in error && (error.code === 'bad_request' || error.code === 'too_large');
}
