import { readHistory } from '../backlog/history.ts';
import type { Message } from '../message/message.ts';
import { requireChannel } from '../message/names.ts';
import { formatPlace } from '../message/place.ts';
import { END, parsePosition } from '../message/position.ts';
import { withArchive } from './archive.ts';
import { type Command, EXIT, type Invocation, type Sink, UsageError } from './command.ts';
import { timeOf, visible } from './print.ts';
import { usage } from './publish.ts';

const USUAL = 100;
const MOST = 10_000;

export const history: Command = {
  name: 'history',
  parameters: '<channel>',
  summary: 'prints what is kept of a channel: time, id, revision and data',
  positionals: [1, 1],
  options: {
    limit: { type: 'string', meaning: `how many of the last messages (${USUAL})` },
    since: { type: 'string', meaning: 'the first ones behind this id' },
    json: { type: 'boolean', meaning: 'each message as a line of JSON' },
  },
  async run(invocation) {
    const { positionals, options, stdout, stderr } = invocation;
    const channel = usage(() => requireChannel(positionals[0]));
    const query = queryOf(options);
    const { messages, oldest, isReset } = await withArchive(invocation, ({ backlog }) =>
      readHistory(backlog, channel, END, query),
    );
    const show = options.json === true ? toLine : toText;
    for (const message of messages) print(stdout, show(message));
    if (isReset) stderr.write('sisyphus: earlier messages are gone\n');
    if (oldest === undefined) stderr.write(`sisyphus: nothing is kept of ${channel}\n`);
    return EXIT.ok;
  },
};

function queryOf({ limit = String(USUAL), since }: Invocation['options']): Parameters<typeof readHistory>[3] {
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > MOST) {
    throw new UsageError(`--limit: expected a whole number from 1 to ${MOST}`);
  }
  const position = since === undefined ? undefined : parsePosition(String(since));
  if (since !== undefined && position === undefined) {
    throw new UsageError('--since: expected the id of a message, such as 1795206467123456');
  }
  return { limit: count, since: position };
}

function print(stdout: Sink, line: string): void {
  stdout.write(`${line}\n`);
}

function toText({ id, revision, event, payload, oversize }: Message): string {
  const name = event === undefined ? '' : ` (${event})`;
  const text = oversize ? '-- too large, was not kept' : visible(payload.toString());
  return `${timeOf(id)} ${id} #${revision}${name} ${text}`;
}

function toLine({ id, revision, place, event, payload }: Message): string {
  const data = payload.toString();
  return JSON.stringify({ id: String(id), time: timeOf(id), revision, place: formatPlace(place), event, data });
}
