import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { requireChannel, requireEvent } from '../message/names.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { openPublisher } from './publisher.ts';

/** The largest SISYPHUS_MAX_MESSAGE that the configuration allows (bytes). */
const MAX_INPUT = 64 * 1024 * 1024;

export const publish: Command = {
  name: 'publish',
  parameters: '<channel> [data|-]',
  summary: 'publishes data, or standard input as it is; prints <id> <revision>',
  positionals: [1, 2],
  options: { event: { type: 'string', meaning: 'a name for addEventListener' } },
  async run({ positionals: [name, text], flags, options, env, stdin, stdout }) {
    const channel = usage(() => requireChannel(name));
    const event = options.event === undefined ? undefined : usage(() => requireEvent(options.event));
    const publisher = await openPublisher(flags, env);
    try {
      const data = await readData(text ?? '-', stdin);
      const { id, revision } = await publisher.publish({ channel, data, event });
      stdout.write(`${id} ${revision}\n`);
      return EXIT.ok;
    } finally {
      await publisher.close();
    }
  },
};

/** The text itself as bytes, or all of standard input for `-`. @throws UsageError if that is too long, or not valid UTF-8 */
export async function readData(text: string, stdin: Readable): Promise<Buffer> {
  if (text !== '-') return Buffer.from(text);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    length += chunks.at(-1)!.length;
    if (length > MAX_INPUT) throw new UsageError(`standard input is too long: expected up to ${MAX_INPUT} bytes`);
  }
  const data = Buffer.concat(chunks);
  if (!isUtf8(data)) throw new UsageError('standard input is no valid UTF-8, and a stream can carry nothing else');
  return data;
}

/** Runs `check`, and rethrows its error as a UsageError, for names on the command line. */
export function usage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}
