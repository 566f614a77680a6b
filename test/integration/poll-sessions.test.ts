import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { begin, pollOnce, post, sendTo } from '../support/sock-it.ts';
import { eventually, within } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const KEY = 'sisyphus:{0}';

describe('a poll session', function () {
  this.timeout(60_000);
  let world: World;
  let other: Gateway;
  let url: string;

  before(async () => {
    world = await startWorld({ SISYPHUS_PROTOCOLS: 'sock.it' });
    other = await startGateway({
      REDIS_URL: world.redis.url,
      SISYPHUS_PROTOCOLS: 'sock.it',
      SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
    });
    url = world.gateway.url;
  });

  after(async () => {
    await other.stop();
    await world.stop();
  });

  async function waits(session: string, gateway = world.gateway): Promise<void> {
    await eventually(async () => (await record(session, 'at')) !== null);
    expect(gateway.port).to.be.above(0);
  }

  const record = (session: string, field: string): Promise<string | null> =>
    world.client.hget(`${KEY}:poll:${session}`, field);

  it('gives back what a poll has claimed whose client ends in the middle of its next request', async () => {
    const session = await begin(url);
    const client = new RawSocket(world.gateway.port);
    const head = 'Host: a\r\nContent-Length:';
    client.send(
      `POST /sock.it/${session}/poll HTTP/1.1\r\n${head} 0\r\n\r\nPOST /tokens HTTP/1.1\r\n${head} 3\r\n\r\n`,
    );
    await waits(session);
    client.end();
    await client.until(({ closed }) => closed);
    await sendTo(url, session, ['kept']);
    expect(await soon(pollOnce(url, session))).to.deep.equal(['kept']);
  });

  it('has a name that nobody can guess, and answers as plain text that nobody keeps', async () => {
    const { status, text, headers } = await post(url, 'poll-start');
    expect(status).to.equal(200);
    expect(text).to.match(/^poll-start=[0-9a-f]{32}$/);
    expect(headers.get('content-type')).to.equal('text/plain; charset=utf-8');
    expect(headers.get('cache-control')).to.contain('no-store');
    expect(await begin(url)).not.to.equal(await begin(url));
  });

  it('gives what was sent before the poll and what comes while it waits, at any gateway, in order', async () => {
    const session = await begin(url);
    expect((await sendTo(url, session, ['a', 'b "é"'])).status).to.equal(200);
    expect(await pollOnce(other.url, session)).to.deep.equal(['a', 'b "é"']);
    const asked = pollOnce(url, session);
    await waits(session);
    await sendTo(other.url, session, ['c']);
    expect(await soon(asked)).to.deep.equal(['c']);
  });

  it('is begun anew by any request with an unknown name', async () => {
    for (const path of ['00000000000000000000000000000000/poll', 'u-00000000000000000000000000000000/poll', 'x/poll']) {
      const { status, text } = await post(url, path);
      expect(status, path).to.equal(200);
      expect(text, path).to.match(/^poll-start=/);
    }
    const { text } = await post(url, '00000000000000000000000000000000/poll-msg', { body: '["a"]' });
    expect(await pollOnceSent(text.slice('poll-start='.length))).to.deep.equal(['x']);
    expect((await post(url, 'x/poll-msg', { body: '[]' })).text).to.match(/^poll-start=/);
    const sent = await sendTo(url, '00000000000000000000000000000000', ['a']);
    expect(sent.status).to.equal(404);
  });

  async function pollOnceSent(session: string): Promise<string[]> {
    await sendTo(url, session, ['x']);
    return pollOnce(url, session);
  }

  it('has one successor, whichever of its requests find out that it is gone', async () => {
    const gone = await begin(url);
    await world.client.del(`${KEY}:poll:${gone}`);
    const [sent, polled, again] = [
      await post(url, `${gone}/poll-msg`, { body: '["a"]' }),
      await post(other.url, `${gone}/poll`),
      await post(url, `${gone}/poll?ack=1`),
    ];
    expect(sent.text).to.match(/^poll-start=[0-9a-f]{32}$/);
    expect(polled.text).to.equal(sent.text);
    expect(again.text).not.to.equal(sent.text);
    // Whoever names a batch acknowledges.
    expect((await post(url, `${gone}/poll?got=3`)).text).to.equal(again.text);
  });

  it('takes a request that comes again under its number once, at any gateway', async () => {
    const [session, another] = [await begin(url), await begin(url)];
    const sent = async (gateway: string, name: string, query: string): Promise<void> => {
      const { status, text } = await post(gateway, `${name}/poll-msg${query}`, { body: '["x"]' });
      expect([status, text]).to.deep.equal([200, '']);
    };
    const inboxed = async (name: string): Promise<number> => Number(await record(name, 'received'));
    await sent(url, session, '?n=1');
    await sent(other.url, session, '?n=1');
    expect(await inboxed(session)).to.equal(1);
    await sent(url, session, '?n=2');
    await sent(url, another, '?n=2');
    // These are no numbers.
    for (const query of ['', '', '?n=', '?n=x', '?n=x', '?n=1&n=2', '?n=1&n=2']) await sent(url, session, query);
    expect([await inboxed(session), await inboxed(another)]).to.deep.equal([9, 1]);
  });

  it('writes JSON as JavaScript does, byte for byte', async () => {
    const session = await begin(url);
    const texts = ['</a>', '\\/', '\\\\/"', 'tab\t and ünï \u2028 😀', ''];
    await sendTo(url, session, texts);
    expect((await post(url, `${session}/poll`)).text).to.equal(JSON.stringify(texts));
  });

  it('compresses for a client that accepts it', async () => {
    const session = await begin(url);
    await sendTo(url, session, ['long '.repeat(1000)]);
    const { port } = world.gateway;
    const body = await new Promise<Buffer>((resolve, reject) => {
      const asked = request({
        port,
        method: 'POST',
        path: `/sock.it/${session}/poll`,
        headers: { 'Accept-Encoding': 'gzip' },
      });
      asked.on('response', async (response) => {
        expect(response.headers['content-encoding']).to.equal('gzip');
        expect(response.headers['content-type']).to.equal('text/plain; charset=utf-8');
        resolve(Buffer.concat(await response.toArray()));
      });
      asked.on('error', reject).end();
    });
    expect(JSON.parse(gunzipSync(body).toString())).to.deep.equal(['long '.repeat(1000)]);
    expect(body.length).to.be.below(500);
  });

  it('has one poll: the newest wins, and an older one ends with nothing, at another gateway, too', async () => {
    for (const [first, second] of [
      [url, other.url],
      [url, url],
    ] as const) {
      const session = await begin(url);
      const older = pollOnce(first, session);
      await waits(session);
      const newer = pollOnce(second, session);
      expect(await soon(older)).to.deep.equal([]);
      await waits(session);
      await sendTo(url, session, ['a']);
      expect(await soon(newer)).to.deep.equal(['a']);
    }
  });

  it('keeps what a poll has not written because its client had gone', async () => {
    const session = await begin(url);
    const leaving = new AbortController();
    const asked = pollOnce(url, session, { signal: leaving.signal }).catch(() => 'gone');
    await waits(session);
    leaving.abort();
    expect(await asked).to.equal('gone');
    await eventually(async () => (await record(session, 'at')) === null);
    await sendTo(url, session, ['a']);
    expect(await pollOnce(other.url, session)).to.deep.equal(['a']);
  });

  it('drops the oldest of more than 1,000 messages, and says so', async () => {
    const session = await begin(url);
    const texts = Array.from({ length: 700 }, (_, i) => `${i}`);
    await sendTo(url, session, texts);
    expect(JSON.parse((await sendTo(url, session, texts)).text)).to.deep.equal({ sent: 700, dropped: 400 });
    await world.gateway.waitForLog(({ event, dropped }) => event === 'poll_messages_dropped' && dropped === 400);
    const counters = (await world.gateway.status()).counters as { undelivered: number };
    expect(counters.undelivered).to.equal(400);
    expect(await pollOnce(url, session)).to.deep.equal([...texts.slice(400), ...texts]);
  });

  it('refuses bodies over 1 MB, and those that are no array of strings', async () => {
    const session = await begin(url);
    expect((await post(url, `${session}/poll-msg`, { body: JSON.stringify(['x'.repeat(1_048_577)]) })).status).to.equal(
      413,
    );
    for (const body of ['', '{', '{}', '["a",1]', '"a"', 'null']) {
      expect((await post(url, `${session}/poll-msg`, { body })).status, body).to.equal(400);
    }
    expect((await post(url, `${session}/poll-msg`, { body: JSON.stringify(['x'.repeat(1_000_000)]) })).status).to.equal(
      200,
    );
  });

  it('gives a large queue in several batches', async () => {
    const session = await begin(url);
    const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(600_000));
    for (const text of texts) await sendTo(url, session, [text]);
    const got = await pollOnce(url, session);
    expect(got).to.have.length(1);
    while (got.length < 3) got.push(...(await pollOnce(url, session)));
    expect(got).to.deep.equal(texts);
  });

  it('ends 60 s after its last request, with all that it held, and every request counts', async () => {
    const session = await begin(url);
    await sendTo(url, session, ['a']);
    const keys = [`${KEY}:poll:${session}`, `${KEY}:poll:${session}:queue`];
    for (const key of keys) expect(await world.client.pttl(key)).to.be.within(50_000, 60_000);
    for (const key of keys) await world.client.pexpire(key, 10_000);
    await post(url, `${session}/poll-msg`, { body: '["x"]' });
    for (const key of keys) expect(await world.client.pttl(key)).to.be.above(50_000);
    for (const key of keys) await world.client.pexpire(key, 1);
    await eventually(async () => (await world.client.exists(...keys)) === 0);
    expect((await post(url, `${session}/poll`)).text).to.match(/^poll-start=/);
  });

  it('puts what the browser sends into the inbox, with the session, before it answers', async () => {
    await world.client.del(`${KEY}:inbox`);
    const session = await begin(url);
    const { status, text } = await post(url, `${session}/poll-msg`, { body: '["one","two ünï"]' });
    expect([status, text]).to.deep.equal([200, '']);
    const entries = await world.client.xrange(`${KEY}:inbox`, '-', '+');
    const fields = entries.map(([, flat]) => Object.fromEntries(pairs(flat)));
    expect(fields.map(({ data }) => data)).to.deep.equal(['one', 'two ünï']);
    expect(fields.map(({ id }) => id)).to.deep.equal([`${session}-1`, `${session}-2`]);
    for (const { session: from, user, time } of fields) {
      expect([from, user]).to.deep.equal([session, '']);
      expect(Math.abs(Number(time) - Date.now())).to.be.below(60_000);
    }
  });

  it('keeps the order of what a browser sends on several connections', async () => {
    await world.client.del(`${KEY}:inbox`);
    const session = await begin(url);
    const head = (length: number): string =>
      `POST /sock.it/${session}/poll-msg HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
    const [first, second] = [new RawSocket(world.gateway.port), new RawSocket(world.gateway.port)];
    // The head of the first is read for sure once Node has asked for its body.
    first.send(head(9).replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'));
    await first.until(/100 Continue/);
    second.send(`${head(10)}["second"]`);
    await eventually(async () => (await world.client.ping()) === 'PONG');
    first.send('["first"]');
    await first.until(/200 OK/);
    await second.until(/200 OK/);
    const entries = await world.client.xrange(`${KEY}:inbox`, '-', '+');
    expect(entries.map(([, fields]) => fields.at(-1))).to.deep.equal(['first', 'second']);
    for (const socket of [first, second]) socket.close();
  });

  it('takes nothing while the inbox is full, and says so', async () => {
    const session = await begin(url);
    const fill = world.client.pipeline();
    await world.client.del(`${KEY}:inbox`);
    for (let i = 0; i < 99_999; i++) fill.xadd(`${KEY}:inbox`, '*', 'data', 'x');
    await fill.exec();
    const { status, text } = await post(url, `${session}/poll-msg`, { body: '["a","b"]' });
    expect([status, JSON.parse(text).error]).to.deep.equal([503, 'unavailable']);
    expect(await world.client.xlen(`${KEY}:inbox`)).to.equal(99_999);
    expect((await post(url, `${session}/poll-msg`, { body: '["a"]' })).status).to.equal(200);
    await world.client.del(`${KEY}:inbox`);
  });

  it('answers the send of an application only with a publish secret', async () => {
    const session = await begin(url);
    expect((await post(url, `${session}/send`, { body: '["a"]' })).status).to.equal(401);
    const headers = { Authorization: `Bearer ${PUBLISH_SECRET}` };
    for (const body of ['plain text', '"a string"', '["an","array"]'])
      await post(url, `${session}/send`, { body, headers });
    expect(await pollOnce(url, session)).to.deep.equal(['plain text', 'a string', 'an', 'array']);
  });

  it('answers nothing at all where it is off', async () => {
    const off = await startGateway({ REDIS_URL: world.redis.url });
    try {
      expect((await post(off.url, 'poll-start')).status).to.equal(404);
    } finally {
      await off.stop();
    }
  });

  it('is one of its own in each namespace and database', async () => {
    const env = { SISYPHUS_PROTOCOLS: 'sock.it', SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
    const shop = await startGateway({ ...env, REDIS_URL: `${world.redis.url}/3`, SISYPHUS_NAMESPACE: 'shop' });
    try {
      const session = await begin(shop.url);
      expect((await post(url, `${session}/poll`)).text).to.match(/^poll-start=/);
      const asked = pollOnce(shop.url, session);
      const third = world.redis.client({ db: 3 });
      await eventually(async () => (await third.hget(`sisyphus:{shop:0}:poll:${session}`, 'at')) !== null);
      await sendTo(shop.url, session, ['a']);
      expect(await soon(asked)).to.deep.equal(['a']);
    } finally {
      await shop.stop();
    }
  });

  it('refuses pages of other sites', async () => {
    const session = await begin(url);
    for (const headers of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
      expect((await post(url, `${session}/poll-msg`, { body: '["a"]', headers })).status).to.equal(403);
      expect((await post(url, 'poll-start', { headers })).status).to.equal(403);
    }
  });

  it('sends polls that wait elsewhere when its gateway is stopped', async () => {
    const stopping = await startGateway({ REDIS_URL: world.redis.url, SISYPHUS_PROTOCOLS: 'sock.it' });
    const session = await begin(url);
    const asked = pollOnce(stopping.url, session);
    await waits(session);
    await stopping.stop();
    expect(await asked).to.deep.equal([]);
  });

  it('speaks to a client that sends its bytes one by one', async () => {
    const session = await begin(url);
    await sendTo(url, session, ['raw']);
    const socket = new RawSocket(world.gateway.port);
    await socket.sendPieces([...`POST /sock.it/${session}/poll HTTP/1.1\r\nHost: a\r\n\r\n`]);
    await socket.until(/\["raw"\]$/);
    socket.close();
  });
});

/** Without being told, a poll looks again after 15 s only. */
function soon(asked: Promise<string[]>): Promise<string[]> {
  return within(asked, 8_000, 'the answer of a poll that was told');
}

function pairs(flat: string[]): [string, string][] {
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!] as [string, string]] : []));
}
