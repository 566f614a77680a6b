import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

/** What would forge a line, or change a terminal, if it were written as it is. */
const FORGERY =
  '\u2028{"level":"fatal","event":"crashed"}\u2029\u0085\u009b2J\u202e\n{"level":"fatal","event":"crashed"}';

describe('the log that strangers write to', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_LOG_LEVEL: 'trace' });
  });

  after(() => world?.stop());

  it('has one object a line, and no line of theirs', async () => {
    const { gateway } = world;
    await postPublish(gateway.url, JSON.stringify({ channel: FORGERY, data: 'x' }));
    await postPublish(gateway.url, JSON.stringify({ [FORGERY]: 1 }));
    await postPublish(gateway.url, JSON.stringify({ channel: 'room:1', event: FORGERY, data: 'x' }));
    await postPublish(gateway.url, 'x', { type: `text/${encodeURIComponent(FORGERY)}` });
    await fetch(`${gateway.url}/${encodeURIComponent(FORGERY)}?${encodeURIComponent(FORGERY)}=1`);
    world.open({ path: `/?user=1&${encodeURIComponent(FORGERY)}=${encodeURIComponent(FORGERY)}` });
    for (const bytes of [`GET /\n${FORGERY}`, `\r\n${FORGERY}\r\n\r\n`, `GET /\u0085 HTTP/1.1\r\nHost: a\r\n\r\n`]) {
      new RawSocket(gateway.port).send(Buffer.from(bytes).toString('latin1')).end();
    }
    await eventually(() => gateway.logs.filter(({ event }) => event === 'request_unreadable').length === 3);
    await eventually(() => gateway.logs.filter(({ event }) => event === 'request_refused').length === 5);
    expect(gateway.output()).to.match(/^[\n -~\u00a0-\u2027]+$/);
    expect(gateway.logs.map(({ event }) => event)).not.to.include('crashed');
    for (const line of gateway.logs) expect(line).to.include.keys('level', 'time', 'pid', 'event');
  });

  it('is not what a stranger fills the log with, and hides nothing of what a publisher does wrong', async () => {
    const before = world.gateway.output().length;
    for (let i = 0; i < 300; i++)
      await fetch(`${world.gateway.url}/${'a'.repeat(8000)}`).then((answer) => answer.text());
    await postPublish(world.gateway.url, '{"channel":"*","data":1}');
    await world.gateway.waitForLog(({ code, path }) => code === 'bad_channel' && path === '/publish');
    expect(world.gateway.output().length - before).to.be.lessThan(40_000);
    await world.gateway.waitForLog(({ code, left_out }) => code === 'not_found' && Number(left_out) > 0);
  });

  it('has no secret of theirs, wherever a client may have put it', async () => {
    const secret = 'hunter2-hunter2-hunter2';
    const port = world.gateway.port;
    const sent = [
      `GET /?user=1&access_token=${secret} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /?access_token=${secret}&access_token=${secret}&x=1 HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /nothing?access_token=${secret}&token=${secret} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `POST /publish?access_token=${secret} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${secret}\r\nContent-Length: 0\r\n\r\n`,
      `POST /grant HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${secret}\r\nCookie: s=${secret}\r\nContent-Length: 0\r\n\r\n`,
      `GET http://u:${secret}@a/nothing HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /status HTTP/1.1\r\nAuthorization: Bearer ${secret}\r\nbad line ${secret}\r\n\r\n`,
      `BREW /?access_token=${secret} HTTP/1.1\r\nHost: a\r\n\r\n`,
    ];
    for (const text of sent) new RawSocket(port).send(text).end();
    await wait(500);
    for (const hidden of [secret, PUBLISH_SECRET]) expect(world.gateway.output()).not.to.include(hidden);
  });
});
