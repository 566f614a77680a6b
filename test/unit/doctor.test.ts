import { expect } from 'chai';
import { examineMachine } from '../../src/cli/doctor-machine.ts';
import { ofFigures } from '../../src/cli/doctor-redis.ts';
import { loadConfig } from '../../src/config/config.ts';
import { Descriptors } from '../../src/http/descriptors.ts';
import type { Figures } from '../../src/store/redis/figures.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { VERSION } from '../../src/store/redis/library.ts';

const WELL: Figures = {
  server: 'Redis 8.2.3',
  functions: VERSION,
  ahead: 0,
  roundTrip: 1,
  databases: new Map([[0, 5]]),
  pubsubBuffer: 0,
  installations: [],
  plain: new Map(),
};

/** The texts of what is not as it should be. */
function found(figures: Partial<Figures>, env: Record<string, string> = {}): string[] {
  const findings = ofFigures({ ...WELL, ...figures }, new Keys(undefined, 0), loadConfig({}, env));
  return findings.filter(({ level }) => level !== 'ok').map(({ level, text, mend }) => `${level} ${text} [${mend}]`);
}

describe('what doctor makes of figures', () => {
  it('is nothing where all is well, and where the user may not ask', () => {
    expect(found({})).to.deep.equal([]);
    const unknown = { functions: undefined, databases: undefined, pubsubBuffer: undefined, installations: undefined };
    expect(found(unknown)).to.deep.equal([]);
  });

  it('is a clock that is ahead or behind by more than a second and an answer', () => {
    expect(found({ ahead: 61_000 }).join()).to.match(/^weak .* 61\.0 s ahead of that of Redis.*timedatectl/);
    expect(found({ ahead: -1500 }).join()).to.match(/1\.5 s behind that of Redis/);
    expect(found({ ahead: 1500, roundTrip: 600 })).to.deep.equal([]);
  });

  it('is a library that is missing, older or newer', () => {
    expect(found({ functions: 0 }).join()).to.match(/^note .*functions load/);
    expect(found({ functions: VERSION - 1 }).join()).to.match(/^note .* replaces them .*functions load/);
    expect(found({ functions: VERSION + 1 }).join()).to.match(/^weak .*same version/);
  });

  it('is an output buffer that a few of the largest messages fill', () => {
    expect(found({ pubsubBuffer: 33_554_432 })).to.deep.equal([]);
    const large = { SISYPHUS_MAX_MESSAGE: '8MB', SISYPHUS_MAX_BUFFER: '64MB' };
    expect(found({ pubsubBuffer: 33_554_432 }, large).join()).to.contain('pubsub 134217728 33554432 60');
  });

  it('is a machine that may open too few files', () => {
    const limited = (limit: number) =>
      examineMachine({ maxStreams: 1000 }, new Descriptors({ readLimit: () => limit }));
    expect(limited(100_000).map(({ level }) => level)).to.deep.equal(['ok']);
    const [finding] = limited(1024);
    expect(finding).to.include({ level: 'weak' });
    expect(finding!.mend).to.contain('LimitNOFILE=1192');
  });
});
