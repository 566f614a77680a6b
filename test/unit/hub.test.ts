import { expect } from 'chai';
import type { ChannelSource, Mark, SourceListener } from '../../src/hub/channel-source.ts';
import { Hub } from '../../src/hub/hub.ts';
import { createLogger } from '../../src/logger.ts';
import { BEGINNING } from '../../src/message/position.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { eventually } from '../support/wait.ts';

/** A store whose connection stays, whether it answers or not. */
class Source implements ChannelSource {
  answers = true;
  start(listener: SourceListener): void {
    listener.up();
  }
  async subscribe(): Promise<string[]> {
    return [];
  }
  unsubscribe(): void {}
  async mark(channels: string[]): Promise<Mark> {
    if (!this.answers) throw new Error('no answer');
    return { position: BEGINNING, born: BEGINNING, gaps: [], heads: channels.map(() => BEGINNING) };
  }
  async reportLost(): Promise<void> {}
  async close(): Promise<void> {}
}

describe('the hub, while the store stands still', () => {
  const retention = () => ({ length: 100, ttl: 3_600_000 });

  it('knows since when, also where it was making up for something missed', async () => {
    const store = new MemoryStore({ retention, maxMessage: 1000 });
    const source = new Source();
    const { backlog } = store;
    const hub = new Hub({ source, backlog, recordsPlain: () => false, retention, logger: createLogger('silent') });
    hub.start();
    try {
      await eventually(() => hub.isOpen);
      expect(hub.downSince).to.equal(undefined);
      source.answers = false;
      void hub.heal(undefined);
      await eventually(() => hub.downSince !== undefined);
      source.answers = true;
      await eventually(() => hub.isOpen);
      expect(hub.downSince).to.equal(undefined);
    } finally {
      await hub.close();
      await store.close();
    }
  });
});
