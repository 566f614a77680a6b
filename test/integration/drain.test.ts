import { Agent, request } from 'node:http';
import { expect } from 'chai';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { startWorld, type World } from '../support/world.ts';

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
const BODY = '{"channel":"room:1","data":"x"}';
const PUBLISH = `POST /publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

describe('a gateway that is being stopped', () => {
  let world: World;

  beforeEach(async () => {
    world = await startWorld({ SISYPHUS_DRAIN: '2s' });
    // Something to drain.
    await Promise.all(['1', '2', '3', '4'].map((user) => world.openOk({ path: `/?user=${user}` })));
  });

  afterEach(() => world?.stop());

  it('answers on connections that were idle, says that it was the last time, and closes the others at the end', async () => {
    const { gateway } = world;
    const [asking, publishing, idle] = [0, 1, 2].map(() => new RawSocket(gateway.port).send(HEALTH)) as RawSocket[];
    for (const client of [asking!, publishing!, idle!]) await client.until(/"alive":true/);
    expect(asking!.text).to.match(/Connection: keep-alive/);
    gateway.kill('SIGTERM');
    await gateway.waitForLog(({ event }) => event === 'draining');
    asking!.send(HEALTH);
    publishing!.send(PUBLISH);
    await asking!.until(/"alive":true.*HTTP\/1\.1 200 .*Connection: close\r\n.*"alive":true/s);
    await publishing!.until(/HTTP\/1\.1 503 .*Connection: close\r\n.*"error":"draining"/s);
    for (const client of [asking!, publishing!]) await client.until(({ ended }) => ended);
    expect(idle!.ended).to.equal(false);
    await idle!.until(({ ended }) => ended);
    expect(idle!.error).to.equal(undefined);
    expect(await gateway.exited).to.deep.equal({ code: 0, signal: null });
  });

  it('loses no request of a publisher that keeps its connections', async () => {
    const { gateway } = world;
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const outcomes = new Map<string, number>();
    const post = (): Promise<string> =>
      new Promise((resolve) => {
        const headers = { Authorization: `Bearer ${PUBLISH_SECRET}`, 'Content-Type': 'application/json' };
        const call = request(`${gateway.url}/publish`, { agent, method: 'POST', headers }, (response) => {
          response.resume().on('end', () => resolve(String(response.statusCode)));
        });
        call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
        call.end(BODY);
      });
    const publisher = async (): Promise<void> => {
      for (let outcome = ''; outcome !== 'ECONNREFUSED'; ) {
        outcome = await post();
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const publishing = Promise.all(Array.from({ length: 8 }, publisher));
    setTimeout(() => gateway.kill('SIGTERM'), 300);
    await publishing;
    agent.destroy();
    // Published, or told that it was not: never left without an answer.
    expect([...outcomes.keys()]).to.have.members(
      ['200', '503', 'ECONNREFUSED'].filter((outcome) => outcomes.has(outcome)),
    );
    expect(outcomes.get('200')).to.be.greaterThan(20);
  });
});

describe('a gateway that waits before it drains', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld({ SISYPHUS_DRAIN: '100ms', SISYPHUS_DRAIN_DELAY: '1200ms' });
  });
  afterEach(() => world?.stop());

  it('is not ready, and serves everybody as before, also who comes now; and then it drains', async () => {
    await world.allow('1', 'room:1');
    const before = await world.openOk();
    world.gateway.kill('SIGTERM');
    await world.gateway.waitForLog(({ event, delay }) => event === 'leaving' && delay === 1200);
    const ready = await fetch(`${world.gateway.url}/readyz`);
    expect([ready.status, await ready.json()]).to.deep.equal([
      503,
      { ready: false, reasons: ['the gateway is being stopped'] },
    ]);
    expect((await world.gateway.status()).draining).to.equal(true);
    const after = await world.openOk();
    await world.publish.http('room:1', 'meanwhile');
    for (const stream of [before, after]) {
      await stream.frame(({ data }) => data === 'meanwhile');
      expect(stream.closed).to.equal(false);
    }
    for (const stream of [before, after]) await stream.ended();
    expect(await world.gateway.exited).to.deep.equal({ code: 0, signal: null });
    const [leaving, draining] = ['leaving', 'draining'].map((event) => {
      const line = world.gateway.logs.find((one) => one.event === event)!;
      return Date.parse(String(line.time));
    });
    expect(draining! - leaving!).to.be.at.least(1195);
  });
});
