import { channelOfUser, requireUser } from '../message/names.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { askWorkers, gatewaysOf, type ProcessAnswer } from './gateways.ts';
import { GATEWAYS_OPTION, JSON_OPTION } from './options.ts';
import { columns } from './print.ts';
import { usage } from './publish.ts';

type Stream = Record<string, unknown>;

export const streams: Command = {
  name: 'streams',
  parameters: '[user]',
  summary: 'prints the open streams of all gateways; of one user those too that have ended lately',
  positionals: [0, 1],
  options: { ...GATEWAYS_OPTION, ...JSON_OPTION },
  async run({ positionals: [name], flags, env, options, stdout, stderr }) {
    const user = name === undefined ? undefined : usage(() => requireUser(name));
    const { urls, secretFor } = gatewaysOf(flags, env, options.gateways);
    const secret = secretFor(user === undefined ? [] : [channelOfUser(user)]);
    if (secret === undefined) {
      throw new UsageError(
        'streams needs SISYPHUS_PUBLISH_SECRET or SISYPHUS_PUBLISH_SECRET_FILE, as the gateways have it',
      );
    }
    const query = user === undefined ? '' : `?${new URLSearchParams({ user })}`;
    const asked = await Promise.allSettled(urls.map((url) => askWorkers(`${url}/streams${query}`, secret)));
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const problems = asked.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message] : []));
    const all = answers.flatMap(streamsOf);
    if (options.json === true) stdout.write(`${JSON.stringify(all)}\n`);
    else stdout.write(columns([HEADINGS, ...all.map(rowOf)]));
    const total = answers.reduce((sum, answer) => sum + Number(answer.total), 0);
    const shown = all.filter(({ ended }) => ended === undefined).length;
    if (total > shown) stderr.write(`sisyphus: ${total - shown} more are not shown\n`);
    for (const problem of problems) stderr.write(`sisyphus: ${problem}\n`);
    return problems.length > 0 ? EXIT.failed : EXIT.ok;
  },
};

const HEADINGS = ['gateway', 'user', 'since', 'start', 'position', 'ended', 'reason'];

function streamsOf({ gateway, streams, ended }: ProcessAnswer): Stream[] {
  const all = [...(streams as Stream[]), ...((ended as Stream[] | undefined) ?? [])];
  return all.map((stream) => ({ gateway, ...stream }));
}

function rowOf(stream: Stream): string[] {
  return HEADINGS.map((name) => String(stream[name] ?? ''));
}
