import type { Changed } from '../collection/collections.ts';
import { formatPosition } from '../message/position.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { readData } from './publish.ts';
import { openPublisher } from './publisher.ts';

export const put = command('put', '[list|-]', 'makes a JSON list of records the whole collection');
export const patch = command('patch', '[batch|-]', 'applies a JSON batch to a collection');

function command(name: 'put' | 'patch', parameter: string, summary: string): Command {
  return {
    name,
    parameters: `<collection> ${parameter}`,
    summary: `${summary}; prints <id> <revision>`,
    positionals: [1, 2],
    options: {},
    async run({ positionals: [collection, text], flags, env, stdin, stdout }) {
      const named = requireName(collection);
      const publisher = await openPublisher(flags, env);
      try {
        const data = await readData(text ?? '-', stdin);
        const { id, revision } = await publisher.changeCollection(name, named, data.toString());
        stdout.write(`${formatPosition(id)} ${revision}\n`);
        return EXIT.ok;
      } finally {
        await publisher.close();
      }
    },
  };
}

/** @throws UsageError */
export function requireName(name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name)) return name;
  throw new UsageError('that is no collection: expected a letter, then up to 63 of A-Z a-z 0-9 _ . -, such as drivers');
}

export function describe({ revision, created, updated, destroyed }: Changed): string {
  const isSame = created + updated + destroyed === 0;
  const counts = isSame ? 'nothing is different' : `${created} created, ${updated} updated, ${destroyed} destroyed`;
  return `revision ${revision}: ${counts}`;
}
