import { channelOfUser } from '../message/names.ts';
import { parsePosition } from '../message/position.ts';
import type { Invocation } from './command.ts';
import type { SeenStream } from './fate.ts';
import { askWorkers, gatewaysOf } from './gateways.ts';

/** The streams of a user at all gateways that are named; `problems`: why one could not be asked. */
export async function findStreams(
  { flags, env, options }: Invocation,
  user: string,
  channel?: string,
): Promise<{ streams: SeenStream[]; problems: string[] }> {
  const { urls, secretFor } = gatewaysOf(flags, env, options.gateways);
  const secret = secretFor([channelOfUser(user)]);
  if (secret === undefined) {
    return {
      streams: [],
      problems: ['the gateways were not asked: expected SISYPHUS_PUBLISH_SECRET, as they have it'],
    };
  }
  const query = new URLSearchParams({ user, ...(channel !== undefined && { channel }) });
  const streams: SeenStream[] = [];
  const problems: string[] = [];
  await Promise.all(
    urls.map(async (url) => {
      try {
        for (const { gateway, streams: open, ended } of await askWorkers(`${url}/streams?${query}`, secret)) {
          const all = [...(open as RawStream[]), ...(ended as RawStream[])];
          streams.push(...all.map((stream) => seen(gateway, stream)));
        }
      } catch (error) {
        problems.push((error as Error).message);
      }
    }),
  );
  return { streams, problems };
}

/** A stream in the answer of a gateway. */
type RawStream = Record<string, string | boolean | undefined>;

function seen(gateway: string, stream: RawStream): SeenStream {
  const { transport, since, ended, reason, start, from, seam, position, reads } = stream;
  const id = (value: unknown) => (typeof value === 'string' ? parsePosition(value) : undefined);
  return {
    gateway,
    ...(typeof transport === 'string' && { transport }),
    since: String(since),
    ...(typeof ended === 'string' && { ended }),
    ...(typeof reason === 'string' && { reason }),
    ...(typeof start === 'string' && { start }),
    ...(typeof reads === 'boolean' && { reads }),
    from: id(from),
    seam: id(seam),
    position: id(position),
  };
}
