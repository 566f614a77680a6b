import { compileGlob } from '../glob.ts';
import { withArchive } from './archive.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { JSON_OPTION } from './options.ts';
import { columns, timeOf } from './print.ts';

const USUAL = 100;
/** A command that takes longer (ms) says how far it has come. */
const PROGRESS = 1000;

export const channels: Command = {
  name: 'channels',
  parameters: '[pattern]',
  summary: 'prints the channels in Redis, the one with the newest message first, and what is kept of each',
  positionals: [0, 1],
  options: { limit: { type: 'string', meaning: `how many at most (${USUAL})` }, ...JSON_OPTION },
  async run(invocation) {
    const { positionals, options, stdout, stderr } = invocation;
    const limit = options.limit === undefined ? USUAL : Number(options.limit);
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError('--limit: expected a whole number from 1 on');
    const matches = compileGlob(positionals[0] ?? '*');
    let saidAt = performance.now();
    const onScanned = (count: number): void => {
      if (performance.now() - saidAt < PROGRESS) return;
      saidAt = performance.now();
      stderr.write(`sisyphus: ${count} keys looked at\n`);
    };
    const { found, total } = await withArchive(invocation, (archive) => archive.channels(matches, limit, onScanned));
    if (options.json === true) {
      stdout.write(
        `${JSON.stringify(found.map((one) => ({ ...one, last: String(one.last), time: timeOf(one.last) })))}\n`,
      );
    } else {
      const rows = found.map(({ channel, revision, kept, last }) => [
        channel,
        `#${revision}`,
        String(kept),
        timeOf(last),
      ]);
      stdout.write(columns([['channel', 'revision', 'kept', 'last message'], ...rows]));
    }
    if (total > found.length)
      stderr.write(`sisyphus: ${total - found.length} more are not shown: expected a pattern or --limit\n`);
    return EXIT.ok;
  },
};
