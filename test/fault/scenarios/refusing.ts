import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openStream } from '../../support/raw-stream.ts';
import { now } from '../clock.ts';
import { every, expectNoReset, expectNothingSeen, type Findings, pause, type Scenario, scenario } from '../scenario.ts';
import type { World } from '../world.ts';

/** Longer than the grace: who takes a Redis that refuses for one that is absent ends every stream. */
const REFUSES_FOR = 2500;

interface Refusal {
  name: string;
  /** What publishers are answered. */
  pattern: RegExp;
  begin(world: World): Promise<unknown>;
  end(world: World): Promise<unknown>;
}

function refusingRedis(name: string, sentence: string, refusals: Refusal[]): Scenario {
  return scenario({
    name,
    sentence,
    seconds: { short: 4, long: 40 },
    plan: () => ({
      redisArgs: ['--enable-protected-configs', 'yes'],
      env: { SISYPHUS_REDIS_GRACE: '1s' },
      ways: { plain: 2, fcall: 2, http: 1 },
      changes: 2,
    }),
    async act(world, run, findings) {
      let turn = 0;
      findings.figures.times = await every(world, 500, run.seconds, async () => {
        const refusal = refusals[turn++ % refusals.length]!;
        const from = now();
        world.note(`Redis refuses: ${refusal.name}`);
        await refusal.begin(world);
        await pause(REFUSES_FOR / 2);
        await expectWelcome(world, findings, refusal.name);
        await pause(REFUSES_FOR / 2);
        await refusal.end(world);
        world.note('Redis takes everything again');
        const refused = world.ledger.publications.filter(
          ({ sentAt, problem }) => sentAt >= from && refusal.pattern.test(problem ?? ''),
        );
        findings.expect(refused.length > 0, `nobody was refused (${refusal.name}): nothing was shown`);
      });
    },
    check(world, _run, findings) {
      expectNothingSeen(world, findings);
      expectNoReset(world, findings);
    },
  });
}

/** Reading needs no write: who connects meanwhile is let in, by each gateway. */
async function expectWelcome(world: World, findings: Findings, why: string): Promise<void> {
  const user = world.load.users[0];
  const opened = world.posts.map(async ({ port }) => {
    const stream = openStream({ port, path: `/?user=${user}` });
    try {
      await stream.ok(3000);
    } catch (error) {
      const first = stream.frames[0]?.data ?? String(error).split('\n')[0];
      findings.failures.push(`${why}: a newcomer at gateway ${port} got ${first}`);
    } finally {
      stream.close();
    }
  });
  await Promise.all(opened);
}

/** Redis's own words for it. */
const MISCONF: Refusal = {
  name: 'a background save failed',
  pattern: /MISCONF|redis_refused/,
  async begin({ admin }) {
    const [, folder = ''] = (await admin.call('CONFIG', 'GET', 'dir')) as string[];
    // A file cannot take the place of a folder.
    await mkdir(join(folder, 'a-folder.rdb'), { recursive: true });
    await admin.call('CONFIG', 'SET', 'dbfilename', 'a-folder.rdb');
    await admin.call('CONFIG', 'SET', 'save', '3600 1');
    await admin.call('BGSAVE');
    await pause(300);
  },
  async end({ admin }) {
    await admin.call('CONFIG', 'SET', 'dbfilename', 'a-file.rdb');
    await admin.call('BGSAVE');
    await pause(300);
    await admin.call('CONFIG', 'SET', 'save', '');
  },
};

const NOREPLICAS: Refusal = {
  name: 'too few replicas',
  pattern: /NOREPLICAS|redis_refused/,
  begin: ({ admin }) => admin.call('CONFIG', 'SET', 'min-replicas-to-write', '1'),
  end: ({ admin }) => admin.call('CONFIG', 'SET', 'min-replicas-to-write', '0'),
};

export const refusing = refusingRedis(
  'refusing-redis',
  'keeps its streams and lets readers in while Redis refuses to write, tells publishers, and records what was heard afterwards',
  [MISCONF, NOREPLICAS],
);
