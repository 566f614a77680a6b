import { requireUser } from '../message/names.ts';
import { formatPlace } from '../message/place.ts';
import { BEGINNING } from '../message/position.ts';
import { withArchive } from './archive.ts';
import { type Command, EXIT } from './command.ts';
import { JSON_OPTION } from './options.ts';
import { columns, timeOf } from './print.ts';
import { usage } from './publish.ts';

export const rights: Command = {
  name: 'rights',
  parameters: '<user>',
  summary: "prints the channels on a user's list, since when, and how the list has changed",
  positionals: [1, 1],
  options: JSON_OPTION,
  async run(invocation) {
    const { positionals, options, stdout, stderr } = invocation;
    const user = usage(() => requireUser(positionals[0]));
    const { channels, changes, problem } = await withArchive(invocation, (archive) => archive.rights(user));
    const listed = [...channels].sort(([a], [b]) => (a < b ? -1 : 1));
    const since = (id: (typeof listed)[number][1]): string => (id === BEGINNING ? '' : timeOf(id));
    const shown = changes.map(({ channel, kind, place }) => ({
      channel,
      kind,
      place: formatPlace(place),
      time: timeOf(place.id),
    }));
    if (options.json === true) {
      const list = listed.map(([channel, id]) => ({ channel, since: since(id) || null }));
      stdout.write(`${JSON.stringify({ user, channels: list, changes: shown, problem: problem ?? null })}\n`);
      return EXIT.ok;
    }
    stdout.write(columns([['channel', 'since'], ...listed.map(([channel, id]) => [channel, since(id)])]));
    if (shown.length > 0) {
      stdout.write('\n');
      stdout.write(
        columns([
          ['change', 'channel', 'place', 'time'],
          ...shown.map(({ kind, channel, place, time }) => [kind, channel, place, time]),
        ]),
      );
    }
    if (problem !== undefined) stderr.write(`sisyphus: warning: ${problem}\n`);
    return EXIT.ok;
  },
};
