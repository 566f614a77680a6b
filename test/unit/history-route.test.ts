import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Context } from 'koa';
import type { ReaderOptions } from '../../src/http/channel-reader.ts';
import type { HttpContext } from '../../src/http/context.ts';
import { history } from '../../src/http/routes/history.ts';
import { BEGINNING } from '../../src/message/position.ts';

describe('the route of histories', () => {
  it('reads few at a time, so that streams do not wait for many of them', async () => {
    let [open, most, done] = [0, 0, 0];
    const backlog = {
      open: async () => {
        most = Math.max(most, ++open);
        await wait(1);
        open--;
        return { gaps: new Map(), next: async () => undefined };
      },
    };
    const hub = { position: BEGINNING, refresh: async () => undefined, isConflated: () => false };
    const config = { publicChannels: ['news:*'], rights: 'redis' };
    const options = {
      limits: { counted: () => ({}), waitOf: async () => 0, failed: async () => undefined },
      identification: { identify: async () => ({ refusal: 'missing' }) },
      readsBearer: false,
    } as unknown as ReaderOptions;
    const route = history({ backlog, hub, config, secrets: {} } as unknown as HttpContext, options);
    const ask = async (): Promise<void> => {
      await route({
        params: { channel: 'news:1' },
        req: { method: 'GET', url: '/channels/news:1/messages', rawHeaders: [], socket: { destroyed: false } },
        res: { setTimeout: () => undefined },
        response: { get: () => '' },
        get: () => '',
        set: () => undefined,
      } as unknown as Context);
      done++;
    };
    await Promise.all(Array.from({ length: 50 }, ask));
    expect(done).to.equal(50);
    // The first and the last message are read together.
    expect(most).to.be.within(1, 8);
  });
});
