import { expect } from 'chai';
import { loadConfig } from '../../src/config/config.ts';
import { type Context, createContext } from '../../src/context.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/logger.ts';
import { resourcesOf } from '../support/resources.ts';

const logger = createLogger('silent');
/** Nothing listens there. */
const URL = 'redis://127.0.0.1:1';

for (const [kind, env, privateUrl] of [
  ['memory', {}, undefined],
  ['redis', { REDIS_URL: URL }, undefined],
  ['redis', {}, URL],
] as const) {
  describe(`a gateway with its messages in ${kind}${privateUrl === undefined ? '' : ' of its own'}`, () => {
    const config = loadConfig({}, { PORT: '0', ...env });

    it('is built at once, and nothing of it runs', () => {
      const options = {
        config,
        logger,
        privateUrl,
        isStopping: () => false,
        isDraining: () => false,
        warnings: () => [],
      };
      const contexts: Context[] = [];
      expect(resourcesOf(() => contexts.push(createContext(options)))).to.deep.equal([]);
      const { store, recorder, hub, server } = contexts[0]!;
      expect(store.kind).to.equal(kind);
      expect(recorder !== undefined).to.equal(kind === 'redis');
      expect(hub.isOpen).to.equal(false);
      expect(server.listening).to.equal(false);
    });

    it('can be stopped before it is started, and twice', async () => {
      const gateway = new Gateway({ config, logger, privateUrl, warnings: () => [] });
      await Promise.all([gateway.stop(), gateway.stop()]);
      await gateway.stop();
      expect(gateway.context.server.listening).to.equal(false);
      expect(await gateway.context.store.ping()).to.equal(false);
    });
  });
}
