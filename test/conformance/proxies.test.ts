import { expect } from 'chai';
import { CLIENTS } from '../support/event-source-clients.ts';
import { type FrontProxy, startHaproxy, startNginx } from '../support/proxies.ts';
import { isOk, type RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const BROWSER = { 'Accept-Encoding': 'gzip, deflate, br', 'Cache-Control': 'no-cache' };

for (const [name, start] of [
  ['nginx', startNginx],
  ['HAProxy', startHaproxy],
] as const) {
  describe(`behind ${name} as Debian sets it up`, () => {
    let world: World;
    let proxy: FrontProxy;

    before(async () => {
      world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '1s' });
      await world.allow('1', 'room:1');
      proxy = await start(world.gateway.port);
      await openThrough(); // the first request pays for the connection and for what is loaded late
    });

    after(async () => {
      await proxy?.stop();
      await world?.stop();
    });

    afterEach(() => world.closeStreams());

    function openThrough(headers: Record<string, string> = {}): Promise<RawStream> {
      return world.openOk({ port: proxy.port, headers: { ...BROWSER, ...headers } });
    }

    it('the first frame is there within 100 ms', async () => {
      const waits: number[] = [];
      for (let i = 0; i < 15; i++) {
        const stream = await openThrough();
        waits.push(stream.frames[0]!.at - stream.sentAt);
        expect(stream.header('content-type')).to.match(/^text\/event-stream/);
        expect(stream.header('content-encoding')).to.equal(undefined);
        stream.close();
      }
      waits.sort((a, b) => a - b);
      // A proxy that holds back does it each time and for seconds; one wait may be the machine's.
      expect(waits[7], waits.map(Math.round).join(' ')).to.be.lessThan(100);
    });

    it('each message comes as it is published', async () => {
      const stream = await openThrough();
      const waits: number[] = [];
      for (let i = 0; i < 15; i++) {
        const began = performance.now();
        await world.publish.fcall('room:1', `message ${i}`);
        const frame = await stream.frame(({ data }) => data === `message ${i}`);
        waits.push(frame.at - began);
      }
      waits.sort((a, b) => a - b);
      expect(waits[7], waits.map(Math.round).join(' ')).to.be.lessThan(100);
    });

    it('a noop comes when nothing else does', async () => {
      const stream = await openThrough();
      await stream.frame(({ data }) => data === 'noop', 4_000);
    });

    it('a client that comes back gets what it missed, and nothing else', async () => {
      const stream = await openThrough();
      await world.publish.fcall('room:1', 'before');
      await stream.frame(({ data }) => data === 'before');
      stream.cut();
      const missed = Array.from({ length: 30 }, (_, i) => `missed ${i}`);
      for (const text of missed) await world.publish.fcall('room:1', text);
      const again = await openThrough({ 'Last-Event-ID': stream.lastEventId! });
      await world.publish.fcall('room:1', 'after');
      await again.frame(({ data }) => data === 'after');
      expect(again.messages.map(({ data }) => data)).to.deep.equal([...missed, 'after']);
    });

    it('a failure comes as one, with status 200', async () => {
      const stream = world.open({ port: proxy.port, path: '/?user=*', headers: BROWSER });
      await stream.ended();
      expect(stream.status).to.equal(200);
      expect(stream.frames).to.have.length(1);
      expect(isOk(stream.frames[0]!)).to.equal(false);
    });

    it('the gateway learns that a client has gone', async () => {
      await eventually(async () => (await world.gateway.status()).streams === 0);
      const stream = await openThrough();
      expect((await world.gateway.status()).streams).to.equal(1);
      stream.close();
      await eventually(async () => (await world.gateway.status()).streams === 0);
    });

    it('client libraries read it', async () => {
      for (const [library, open] of Object.entries(CLIENTS)) {
        const client = await open(`http://127.0.0.1:${proxy.port}/?user=1`, []);
        try {
          await eventually(async () => (await client.read()).some(({ data }) => data.includes('ok')));
          await world.publish.fcall('room:1', `for ${library}`);
          await eventually(async () => (await client.read()).some(({ data }) => data === `for ${library}`));
        } finally {
          await client.close();
        }
      }
    });
  });
}
