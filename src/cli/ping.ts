import { randomUUID } from 'node:crypto';
import { loadConfig } from '../config/config.ts';
import { channelOfUser, requireUser } from '../message/names.ts';
import { PROGRAM } from '../root.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { gatewayAddress } from './gateway-address.ts';
import { JSON_OPTION } from './options.ts';
import { onlyMine } from './own-variables.ts';
import { usage } from './publish.ts';
import { openPublisher, type Publisher } from './publisher.ts';
import { reasonOf } from './reason.ts';
import { WatchedStream } from './watched-stream.ts';

const OWN_USER = 'sisyphus-ping';
const MOST = 1000;
/** How long a message may take to come (ms). */
const PATIENCE = 5000;

export const ping: Command = {
  name: 'ping',
  parameters: '[user]',
  summary: 'publishes on user:<user>, reads it from a stream, and prints how long both took (ms)',
  positionals: [0, 1],
  options: { count: { type: 'string', meaning: 'how many times (4)' }, ...JSON_OPTION },
  async run({ positionals: [name], flags, env, options, stdout }) {
    const { accessToken } = loadConfig(flags, onlyMine(env));
    if (name === undefined && accessToken !== undefined) {
      throw new UsageError(`expected ${PROGRAM} ping <user>, with the user of the credential in SISYPHUS_ACCESS_TOKEN`);
    }
    const user = usage(() => requireUser(name ?? OWN_USER));
    const count = Number(options.count ?? 4);
    if (!Number.isInteger(count) || count < 1 || count > MOST) {
      throw new UsageError(`--count: expected a whole number from 1 to ${MOST}`);
    }
    const url = gatewayAddress('streams', flags, env);
    const publisher = await openPublisher(withRedis(flags, env), env);
    const query = new URLSearchParams({ ...(accessToken === undefined && { user }), format: 'json' });
    const stream = new WatchedStream(`${url}/stream?${query}`, accessToken);
    try {
      await begin(stream, url);
      for (let i = 0; i < count; i++) {
        const { id, ...times } = await roundTrip(stream, publisher, user);
        if (options.json === true) stdout.write(`${JSON.stringify({ id, ...times })}\n`);
        else stdout.write(`${id} published after ${times.publish} ms, read after ${times.read} ms\n`);
      }
      return EXIT.ok;
    } finally {
      stream.close();
      await publisher.close();
    }
  },
};

/** The flags for the publisher: `--url` names where the stream is read, and does not keep it from a Redis. */
function withRedis(flags: Parameters<typeof openPublisher>[0], env: Parameters<typeof openPublisher>[1]): typeof flags {
  return loadConfig(flags, onlyMine(env)).redisUrl === undefined ? flags : { ...flags, url: undefined };
}

/** Publishes a message and waits for it. @returns its id, and how long both took (ms) */
async function roundTrip(
  stream: WatchedStream,
  publisher: Publisher,
  user: string,
): Promise<{ id: string; publish: number; read: number }> {
  const token = `ping ${randomUUID()}`;
  const channel = channelOfUser(user);
  const began = performance.now();
  const came = stream.waitFor(new RegExp(token), PATIENCE).then((time) => time !== undefined && performance.now());
  const { id } = await publisher.publish({ channel, data: Buffer.from(token) });
  const published = performance.now();
  const read = await came;
  if (read !== false) return { id, publish: round(published - began), read: round(read - began) };
  const late = `message ${id} did not come within ${PATIENCE / 1000} s: expected ${user} to be the user of the stream`;
  throw new Error(`${late}; ${PROGRAM} why --user ${user} --channel ${channel}, and doctor, say more`);
}

async function begin(stream: WatchedStream, url: string): Promise<void> {
  const head = await stream.open(PATIENCE).catch((error: unknown) => {
    throw new Error(`cannot reach ${url} (${reasonOf(error)})`, { cause: error });
  });
  if (!head) throw new Error(`${url} does not answer within ${PATIENCE / 1000} s`);
  await stream.waitFor(/\n\n/, PATIENCE);
  if (stream.text.includes('"status":"ok"')) return;
  const [, said = stream.text.slice(0, 200)] = /^data: ?(.*)$/m.exec(stream.text) ?? [];
  const mend = said.includes('"missing"') ? ': expected a credential in SISYPHUS_ACCESS_TOKEN, and its user' : '';
  throw new Error(`${url} does not open a stream (${head.status}): ${said}${mend}`);
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
