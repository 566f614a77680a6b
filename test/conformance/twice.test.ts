import { expect } from 'chai';
import { postPublish, WAYS } from '../support/publisher.ts';
import { startWorld, type World } from '../support/world.ts';

describe('a message that is published twice', () => {
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1', 'room:2');
  });

  after(() => world?.stop());
  afterEach(() => world.closeStreams());

  for (const way of WAYS) {
    it(`by ${way} arrives twice, with two ids, and is replayed twice`, async () => {
      const stream = await world.openOk();
      const position = stream.lastEventId!;
      for (let i = 0; i < 2; i++) await world.publish[way]('room:1', '<message>the same</message>');
      await stream.until(({ messages }) => messages.length === 2);
      const [first, second] = stream.messages;
      expect(first!.data).to.equal(second!.data);
      expect(Number(second!.id)).to.be.greaterThan(Number(first!.id));

      const replayed = await world.openOk({ headers: { 'Last-Event-ID': position } });
      await replayed.until(({ messages }) => messages.length === 2);
      expect(replayed.messages.map(({ text }) => text)).to.deep.equal([first!.text, second!.text]);
    });
  }

  it('by all ways at once arrives as often as it was published', async () => {
    const stream = await world.openOk();
    const all = WAYS.flatMap((way) => Array.from({ length: 50 }, () => world.publish[way]('room:1', 'the same')));
    await Promise.all(all);
    await stream.until(({ messages }) => messages.length === 150);
    expect(new Set(stream.messages.map(({ id }) => id)).size).to.equal(150);
  });

  it('in one batch arrives twice, with two ids', async () => {
    const stream = await world.openOk();
    const message = { channel: 'room:1', data: 'the same' };
    const response = await postPublish(world.gateway.url, JSON.stringify([message, message]));
    const { results } = (await response.json()) as { results: { id: string; revision: number }[] };
    await stream.until(({ messages }) => messages.length === 2);
    expect(stream.messages.map(({ id }) => id)).to.deep.equal(results.map(({ id }) => id));
    expect(results[1]!.revision).to.equal(results[0]!.revision + 1);
  });

  it('under one Idempotency-Key arrives once, and another request under it is refused', async () => {
    const stream = await world.openOk();
    const post = async (body: object, key: string, path: string): Promise<unknown[]> => {
      const headers = { 'Idempotency-Key': key };
      const response = await postPublish(world.gateway.url, JSON.stringify(body), { path, headers });
      return [response.status, await response.json()];
    };
    const message = { channel: 'room:1', data: 'the same' };
    const grant = { user: '1', channel: 'room:9' };
    const answers = [await post(message, 'a', '/publish'), await post(grant, 'b', '/grant')];
    expect([await post(message, 'a', '/publish'), await post(grant, 'b', '/grant')]).to.deep.equal(answers);
    for (const [status] of answers) expect(status).to.equal(200);
    expect((await post(grant, 'b', '/revoke'))[0], 'another path').to.equal(409);
    expect((await post({ ...message, data: 'another' }, 'a', '/publish'))[0], 'another body').to.equal(409);
    for (const key of ['', '  ', 'a b', 'a'.repeat(256)]) {
      const [status, answer] = await post(message, key, '/publish');
      expect(status, `"${key}"`).to.equal(400);
      expect((answer as { message: string }).message).to.match(/^Idempotency-Key: expected 1 to 255 visible/);
    }
    await world.publish.fcall('room:1', 'the last');
    await stream.until(({ messages }) => messages.at(-1)?.text?.includes('the last') ?? false);
    expect(stream.messages).to.have.length(3);
  });

  it('on two channels of one user arrives once from each', async () => {
    const stream = await world.openOk({ path: '/?user=1&format=json' });
    await world.publish.fcall('room:1', 'the same');
    await world.publish.fcall('room:2', 'the same');
    await stream.until(({ messages }) => messages.length === 2);
    const channels = stream.messages.map(({ data }) => (JSON.parse(data!) as { channel: string }).channel);
    expect(channels).to.deep.equal(['room:1', 'room:2']);
  });
});
