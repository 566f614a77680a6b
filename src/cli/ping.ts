import { randomUUID } from 'node:crypto';
import { loadConfig } from '../config/config.ts';
import { channelOfUser, requireUser } from '../message/names.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { DEFAULT_URL } from './gateway-answer.ts';
import { JSON_OPTION } from './options.ts';
import { usage } from './publish.ts';
import { onlyMine, openPublisher } from './publisher.ts';
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
  async run({ positionals: [name = OWN_USER], flags, env, options, stdout }) {
    const user = usage(() => requireUser(name));
    const count = Number(options.count ?? 4);
    if (!Number.isInteger(count) || count < 1 || count > MOST) {
      throw new UsageError(`--count: expected a whole number from 1 to ${MOST}`);
    }
    const { url = DEFAULT_URL, accessToken } = loadConfig(flags, onlyMine(env));
    const publisher = await openPublisher(withRedis(flags, env), env);
    const query = new URLSearchParams({ ...(accessToken === undefined && { user }), format: 'json' });
    const stream = new WatchedStream(`${url}/stream?${query}`, accessToken);
    try {
      await begin(stream, url);
      for (let i = 0; i < count; i++) {
        const token = `ping ${randomUUID()}`;
        const began = performance.now();
        const came = stream
          .waitFor(new RegExp(token), PATIENCE)
          .then((time) => time !== undefined && performance.now());
        const { id } = await publisher.publish({ channel: channelOfUser(user), data: Buffer.from(token) });
        const published = performance.now();
        const read = await came;
        if (read === false)
          throw new Error(
            `message ${id} did not come within ${PATIENCE / 1000} s: bin/sisyphus why and doctor say more`,
          );
        const times = { publish: round(published - began), read: round(read - began) };
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

async function begin(stream: WatchedStream, url: string): Promise<void> {
  const head = await stream.open(PATIENCE);
  if (!head) throw new Error(`${url} does not answer within ${PATIENCE / 1000} s`);
  await stream.waitFor(/\n\n/, PATIENCE);
  if (stream.text.includes('"status":"ok"')) return;
  const [, said = stream.text.slice(0, 200)] = /^data: ?(.*)$/m.exec(stream.text) ?? [];
  throw new Error(`${url} does not open a stream (${head.status}): ${said}`);
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
