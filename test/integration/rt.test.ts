import { expect } from 'chai';
import { askRt, pairsOf, position, type RtAnswer } from '../support/rt.ts';
import { eventually, within } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const LENGTH = 20;

function ok(...msg: [number, unknown][]): RtAnswer[string] {
  return { status: 'ok', msg: msg.map(([id, payload]) => ({ id, payload })) };
}

describe('the long poll by revisions', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld({
      SISYPHUS_PROTOCOLS: 'rt',
      SISYPHUS_PUBLIC_CHANNELS: 'news:*,127,39,u*',
      SISYPHUS_BACKLOG_LENGTH: `${LENGTH}`,
      SISYPHUS_BACKLOG_RULES: 'news:sticker*=1',
    });
    await world.allow('7', 'room:1', 'room:2');
  });

  after(() => world.stop());

  const ask = (query: string): ReturnType<typeof askRt> => askRt(world.gateway.url, query);
  const waiting = async (): Promise<number> => (await world.gateway.status()).streams;

  /** Asks, and waits until the poll is one of those that wait. */
  async function begin(query: string): Promise<Promise<RtAnswer>[]> {
    const before = await waiting();
    const asked = ask(query);
    await eventually(async () => (await waiting()) === before + 1);
    return [asked];
  }

  async function publish(channel: string, ...texts: string[]): Promise<void> {
    for (const text of texts) await world.publish.fcall(channel, text);
  }

  async function refusal(path: string, init: RequestInit = {}): Promise<[number, string, string]> {
    const response = await fetch(`${world.gateway.url}${path}`, init);
    expect(response.headers.get('cache-control')).to.equal('no-store');
    const { error, message } = (await response.json()) as { error: string; message: string };
    return [response.status, error, message];
  }

  it('answers at once all channels that have news, each with what came after the revision that the client has', async () => {
    await publish('127', '1', '{"n": 2, "big": 1.0}', '<b>3</b>');
    await publish('39', 'text "quoted"', '"a string"');
    const response = await fetch(`${world.gateway.url}/rt?c=127&m=1&c=39&m=&c=news:quiet&m=0&cachebreak=2394802`);
    const text = await response.text();
    // The JSON of a message is passed on as it is.
    expect(text).to.include('"payload":{"n": 2, "big": 1.0}');
    expect(JSON.parse(text)).to.deep.equal({
      127: ok([2, { n: 2, big: 1 }], [3, '<b>3</b>']),
      39: ok([1, 'text "quoted"'], [2, 'a string']),
    });
  });

  it('waits if nothing is new, and answers the first messages, with those of the same moment', async () => {
    await publish('news:a', 'old');
    const [asked] = await begin('c=news:a&m=1&c=news:b&m=0&c=news:c');
    const multi = world.client.multi();
    for (const [channel, text] of [
      ['news:a', 'a2'],
      ['news:b', 'b1'],
      ['news:a', 'a3'],
    ] as const) {
      multi.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', channel, text);
    }
    await multi.exec();
    expect(await asked).to.deep.equal({ 'news:a': ok([2, 'a2'], [3, 'a3']), 'news:b': ok([1, 'b1']) });
    const [plain] = await begin('c=news:a&m=3');
    await world.publish.plain('news:a', 'plain');
    expect(await plain).to.deep.equal({ 'news:a': ok([4, 'plain']) });
  });

  it('takes nothing seen for an empty or missing m, and the smaller one of a channel that is named twice', async () => {
    await publish('news:twice', '1', '2', '3');
    const all = { 'news:twice': ok([1, 1], [2, 2], [3, 3]) };
    for (const query of ['c=news:twice', 'c=news:twice&m=', 'c=news:twice&m=0', 'c=news:twice&m=3&c=news:twice'])
      expect(await ask(query), query).to.deep.equal(all);
    expect(await ask('c=news:twice&m=2&c=news:twice&m=3')).to.deep.equal({ 'news:twice': ok([3, 3]) });
  });

  it('says reset, with only the newest message, if the backlog no longer reaches back', async () => {
    for (let i = 1; i <= LENGTH + 5; i++) await publish('news:busy', `${i}`);
    await publish('news:calm', 'x', 'y');
    expect(await ask('c=news:busy&m=4&c=news:calm&m=1')).to.deep.equal({
      'news:busy': { status: 'reset', msg: [{ id: LENGTH + 5, payload: LENGTH + 5 }] },
      'news:calm': ok([2, 'y']),
    });
    // The first that is kept is the next one: nothing is missing.
    const { 'news:busy': whole } = await ask('c=news:busy&m=5');
    expect(whole!.status).to.equal('ok');
    expect(whole!.msg.map(({ id }) => id)).to.deep.equal(Array.from({ length: LENGTH }, (_, i) => i + 6));
    // Who has seen nothing misses nothing.
    expect((await ask('c=news:busy'))['news:busy']!.status).to.equal('ok');
  });

  it('says reset at once if the client is ahead: the counter has begun again', async () => {
    await publish('news:ahead', 'a', 'b');
    const newest = { status: 'reset', msg: [{ id: 2, payload: 'b' }] };
    expect(await ask('c=news:ahead&m=3')).to.deep.equal({ 'news:ahead': newest });
    expect(await ask('c=news:never&m=9')).to.deep.equal({ 'news:never': { status: 'reset', msg: [{ id: 0 }] } });
    // Nothing is kept, and yet the counter is known.
    await world.client.del('sisyphus:{0}:channel:news:ahead:msg_backlog');
    const [asked] = await begin('c=news:ahead&m=2');
    await publish('news:ahead', 'c');
    expect(await asked).to.deep.equal({ 'news:ahead': ok([3, 'c']) });
  });

  it('says reset for a message that is too large to be delivered', async () => {
    const [asked] = await begin('c=news:large');
    await world.publish.plain('news:large', 'x'.repeat(300_000));
    expect(await asked).to.deep.equal({ 'news:large': { status: 'reset', msg: [{ id: 1 }] } });
  });

  it('has of a channel with final values the last one, and calls it ok', async () => {
    for (let i = 1; i <= 100; i++) await publish('news:sticker1', `${i}`);
    const last = { 'news:sticker1': ok([100, 100]) };
    expect(await ask('c=news:sticker1&m=1')).to.deep.equal(last);
    expect(await ask('c=news:sticker1')).to.deep.equal(last);
    const [asked] = await begin('c=news:sticker1&m=100');
    const multi = world.client.multi();
    for (let i = 101; i <= 105; i++)
      multi.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'news:sticker1', `${i}`);
    await multi.exec();
    expect(await asked).to.deep.equal({ 'news:sticker1': ok([105, 105]) });
    expect((await ask('c=news:sticker1&m=200'))['news:sticker1']!.status).to.equal('reset');
  });

  it('has room for 300 channels in an address of 65 KB, and for 5,000 in a form', async () => {
    const long = (i: number): string => `news:${'x'.repeat(110)}${i}`;
    const pairs = pairsOf(Array.from({ length: 300 }, (_, i) => [long(i), 1_000_000]));
    await publish(long(299), 'here');
    const query = `${pairs}&c=${long(299)}&m=0&cachebreak=${'9'.repeat(65 * 1024 - pairs.length - 150)}`;
    expect(query.length).to.be.within(64 * 1024, 65 * 1024);
    expect((await ask(query))[long(299)]).to.deep.equal(ok([1, 'here']));
    const form = (count: number, type = 'application/x-www-form-urlencoded'): RequestInit => ({
      method: 'POST',
      headers: { 'Content-Type': type },
      body: pairsOf(Array.from({ length: count }, (_, i) => [`news:m${i}`, 0])),
    });
    await publish('news:m4999', 'last');
    expect(await askRt(world.gateway.url, '', form(5000))).to.deep.equal({ 'news:m4999': ok([1, 'last']) });
    expect((await refusal('/rt', form(5001))).slice(0, 2)).to.deep.equal([413, 'too_large']);
    expect((await refusal('/rt', form(1, 'text/plain'))).slice(0, 2)).to.deep.equal([415, 'unsupported_type']);
  });

  it('says which of the pairs is wrong', async () => {
    for (const [query, code, word] of [
      ['m=3', 'bad_request', 'm="3" follows no c'],
      ['c=127&m=1&m=2', 'bad_request', 'm="2" follows no c'],
      ['c=127&m=1&c=39&m=x1', 'bad_request', 'm="x1" of 39'],
      ['c=127&m=-1', 'bad_request', 'm="-1" of 127'],
      ['c=127&m=1.5', 'bad_request', 'm="1.5" of 127'],
      ['c=127&m=99999999999999999999', 'bad_request', 'of 127'],
      ['', 'bad_request', 'no channel is named'],
      ['c=', 'bad_channel', 'channel ""'],
      ['c=sisyphus:x', 'bad_channel', 'sisyphus:x'],
    ] as const) {
      const [status, error, message] = await refusal(`/rt?${query}`);
      expect([status, error], query).to.deep.equal([400, code]);
      expect(message, query).to.include(word).and.include('expected');
    }
  });

  it('shows only what the client may see, and says failure for the rest', async () => {
    await publish('room:1', 'one');
    await publish('room:3', 'secret');
    await publish('user:7', 'own');
    const failure = { status: 'failure', msg: [] };
    expect(await ask('user=7&c=room:1&c=room:3&c=user:7&c=user:8')).to.deep.equal({
      'room:1': ok([1, 'one']),
      'room:3': failure,
      'user:7': ok([1, 'own']),
      'user:8': failure,
    });
    // A pattern that fits `user:7` shows nothing of it, and who may see nothing of all does not wait.
    expect(await ask('c=user:7&c=room:1&m=1')).to.deep.equal({ 'user:7': failure, 'room:1': failure });
    expect(await ask('user=8&c=user:7')).to.deep.equal({ 'user:7': failure });
  });

  it('shows nothing from before a grant, whatever the client says that it has', async () => {
    for (let i = 1; i <= LENGTH + 5; i++) await publish('room:late', `${i}`);
    await world.client.call('FCALL', 'sisyphus_grant', '1', 'sisyphus:{0}', '7', 'room:late', 'granted');
    const [asked] = await begin('user=7&c=room:late&m=2');
    await publish('room:late', 'now');
    expect(await asked).to.deep.equal({ 'room:late': ok([LENGTH + 6, 'now']) });
    expect(await ask('user=7&c=room:late')).to.deep.equal({ 'room:late': ok([LENGTH + 6, 'now']) });
  });

  it('is answered without the messages of a channel whose right is lost meanwhile', async () => {
    const change = (verb: string, channel: string): Promise<unknown> =>
      world.client.call('FCALL', `sisyphus_${verb}`, '1', 'sisyphus:{0}', '10', channel, verb);
    await change('grant', 'room:a');
    await change('grant', 'room:b');
    const [asked] = await begin('user=10&c=room:a&c=room:b');
    await change('revoke', 'room:a');
    await publish('room:a', 'secret');
    await publish('room:b', 'b1');
    expect(await asked).to.deep.equal({ 'room:a': { status: 'failure', msg: [] }, 'room:b': ok([1, 'b1']) });
    // Nothing is left to wait for.
    const [last] = await begin('user=10&c=room:b&m=1');
    await change('revoke', 'room:b');
    await publish('room:b', 'secret');
    expect(await within(last!, 15_000, 'the answer')).to.deep.equal({ 'room:b': { status: 'failure', msg: [] } });
    // A right that is gained while the poll waits counts from then on.
    await change('grant', 'room:b');
    const [gained] = await begin('user=10&c=room:b&m=2&c=room:c');
    await publish('room:c', 'too early');
    await change('grant', 'room:c');
    await publish('room:c', 'c2');
    expect(await gained).to.deep.equal({ 'room:c': ok([2, 'c2']) });
  });

  it('ends with 401 if the user is disconnected, and counts as a stream that is closed', async () => {
    const asked = fetch(`${world.gateway.url}/rt?user=7&c=room:1&m=1`);
    await eventually(async () => (await waiting()) === 1);
    await world.client.call('FCALL', 'sisyphus_disconnect', '1', 'sisyphus:{0}', '7');
    const response = await asked;
    expect([response.status, ((await response.json()) as { error: string }).error]).to.deep.equal([
      401,
      'unauthorized',
    ]);
  });

  it('lets a page ask for the revisions of now, for data that it loads elsewhere', async () => {
    await publish('news:page', 'a', 'b', 'c');
    const response = await fetch(`${world.gateway.url}/rt/sync?c=news:page&c=room:1&c=news:none&m=7`);
    expect(response.headers.get('cache-control')).to.equal('no-store');
    const [page, denied, none] = (await response.json()) as Record<string, unknown>[];
    expect(page).to.include({ channel: 'news:page', last_message_id: 3 });
    expect(page!.timestamp).to.be.closeTo(Date.now() / 1000, 60);
    expect(denied).to.deep.equal({ channel: 'room:1', status: 'failure' });
    expect(none).to.deep.equal({ channel: 'news:none', last_message_id: 0, timestamp: 0 });
    const [asked] = await begin(`c=news:page&m=${page!.last_message_id}`);
    await publish('news:page', 'd');
    expect(await asked).to.deep.equal({ 'news:page': ok([4, 'd']) });
  });

  it('goes from a stream to polls and back: nothing is lost, and nothing comes twice', async () => {
    const got: number[] = [];
    const seen = new Map([['news:both', 0]]);
    await publish('news:both', '0');
    let id = '1';
    let number = 0;
    for (let round = 0; round < 10; round++) {
      const stream = await world.openOk({ path: `/?c=news:both&format=json&since=${id}` });
      await publish('news:both', `${++number}`);
      await eventually(() => stream.frames.some(({ data = '' }) => data.includes(`"data":${number}}`)));
      stream.close();
      for (const { data = '' } of stream.frames) {
        const { data: payload, revision } = JSON.parse(data) as { data?: number; revision?: number };
        if (revision === undefined) continue;
        got.push(payload!);
        seen.set('news:both', revision);
      }
      await publish('news:both', `${++number}`);
      for (let poll = 0; poll < 2; poll++) {
        const answer = await ask(pairsOf(seen));
        for (const { id: revision, payload } of answer['news:both']!.msg) {
          got.push(payload as number);
          seen.set('news:both', revision);
        }
        id = answer[position]!;
        await publish('news:both', `${++number}`);
      }
    }
    const rest = await ask(pairsOf(seen));
    got.push(...rest['news:both']!.msg.map(({ payload }) => payload as number));
    expect(got).to.deep.equal(Array.from({ length: number + 1 }, (_, i) => i));
  });

  it('causes no subscriptions: a channel stays subscribed when a poll has ended', async () => {
    const query = pairsOf(Array.from({ length: 10 }, (_, i) => [`news:churn${i}`, 0]));
    const calls = async (): Promise<string> =>
      (await world.client.info('commandstats'))
        .split('\n')
        .filter((line) => /subscribe/.test(line))
        .map((line) => line.split(',')[0])
        .join();
    const round = async (n: number): Promise<void> => {
      const polls = Array.from({ length: 20 }, () =>
        fetch(`${world.gateway.url}/rt?${query.replaceAll('m=0', `m=${n}`)}`),
      );
      await eventually(async () => (await waiting()) === 20);
      for (let i = 0; i < 10; i++) await publish(`news:churn${i}`, 'x');
      for (const poll of await Promise.all(polls)) await poll.text();
      await eventually(async () => (await waiting()) === 0);
    };
    await round(0);
    const before = await calls();
    for (let n = 1; n <= 5; n++) await round(n);
    expect(await calls()).to.equal(before);
    expect(before).to.include('subscribe');
  });

  it('is answered by {} after 25 s, and names the channels that may not be read', async () => {
    const began = performance.now();
    const silent = await Promise.all([ask('c=news:silent&m=0'), ask('c=news:silent&c=room:9')]);
    expect(performance.now() - began).to.be.within(24_500, 30_000);
    expect(silent).to.deep.equal([{}, { 'room:9': { status: 'failure', msg: [] } }]);
  });

  it('leaves no reader behind', async () => {
    const abort = new AbortController();
    const left = fetch(`${world.gateway.url}/rt?c=news:left`, { signal: abort.signal }).catch(() => undefined);
    await eventually(async () => (await waiting()) === 1);
    abort.abort();
    await left;
    await eventually(async () => (await world.gateway.status()).subscriptions === 0);
    expect(await world.gateway.status()).to.include({ streams: 0, users: 0, channels: 0 });
  });
});
