import { every, expectNothingSeen, scenario } from '../scenario.ts';

const DENIED = 'room:7';
const ODD = ['__proto__', 'constructor', 'toString', `long:${'x'.repeat(123)}`];

export const deniedChannel = scenario({
  name: 'denied-channel',
  sentence:
    'goes on with every other channel, over many reconnects, where the ACL denies one and others are named oddly',
  seconds: { short: 5, long: 40 },
  plan: () => ({
    rooms: 46,
    roomsPerUser: 6,
    oddRooms: ODD,
    deniedRooms: [DENIED],
    // The recorder hears all topics by one pattern, which an ACL that denies one topic cannot allow.
    env: { SISYPHUS_RAW_CHANNELS: '' },
    ways: { plain: 0, fcall: 1, http: 0 },
    changes: 0,
    gatewayUser: ['gateway', 'a-password', ...allowedTopics(46)],
  }),
  async act(world, run, findings) {
    findings.figures.reconnects = await every(world, 250, run.seconds, async () => {
      await world.call('CLIENT', 'KILL', 'TYPE', 'normal');
      await world.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    });
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

/** An ACL knows what is allowed, not what is denied: everything but one. */
function allowedTopics(rooms: number): string[] {
  const numbers = Array.from({ length: rooms }, (_, i) => `room:${i + 1}`).filter((room) => room !== DENIED);
  const topics = [...numbers, ...ODD].map((room) => `&sisyphus{0}/${room.replaceAll(':', '/')}`);
  return ['~*', '+@all', 'resetchannels', '&user:*', '&sisyphus{0}/user/*', '&sisyphus{0}/@*', ...topics];
}
