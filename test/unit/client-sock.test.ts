import { expect } from 'chai';
import { Sock, type SockCloseEvent, type SockErrorEvent, type SockOptions } from '../../src/client/sock.ts';
import { type Asked, FakeNetwork } from '../support/client/fake-fetch.ts';

describe('the client of poll sessions', () => {
  let network: FakeNetwork;
  let sock: Sock;
  /** What the page has been told. */
  let told: string[];

  const pass = (milliseconds?: number): Promise<void> => network.pass(milliseconds);

  function begin(options: SockOptions = {}): Sock {
    sock = new Sock('http://gateway/sock.it', { fetch: network.fetch, ...options });
    sock.onopen = ({ session }) => told.push(`open ${session}`);
    sock.onmessage = ({ data }) => told.push(data);
    sock.onerror = () => told.push('error');
    sock.onclose = ({ code, reason, wasClean }) => told.push(`close ${code} ${reason} ${wasClean}`);
    return sock;
  }

  /** The request that waits below this name. */
  function waiting(name: string): Asked {
    const found = network.asked.filter(({ path }) => path.split('?')[0]!.endsWith(`/${name}`));
    expect(found, `requests for ${name}`).to.have.length(1);
    return found[0]!;
  }

  async function answer(name: string, text: string | object, init?: ResponseInit): Promise<void> {
    waiting(name).answer(text, init);
    await pass();
  }

  async function open(options?: SockOptions): Promise<void> {
    begin(options);
    await pass();
    await answer('poll-start', 'poll-start=one');
  }

  /** The gateway has what was sent. */
  const taken = (): Promise<void> => answer('poll-msg', '', { headers: { 'Content-Length': '0' } });

  const batch = (number: number): ResponseInit => ({ headers: { 'Sisyphus-Batch': String(number) } });

  beforeEach(() => {
    network = new FakeNetwork();
    network.install();
    told = [];
  });

  afterEach(async () => {
    sock.close();
    await pass(10_000);
    network.restore();
  });

  it('opens with its session, and tells each message of a batch, which it names with the next poll', async () => {
    begin();
    expect(sock.readyState).to.equal(Sock.CONNECTING);
    await pass();
    expect(waiting('poll-start')).to.include({ method: 'POST', path: '/sock.it/poll-start?ack=1' });
    await answer('poll-start', 'poll-start=one');
    expect([sock.readyState, sock.session]).to.deep.equal([sock.OPEN, 'one']);
    expect(waiting('poll').path).to.equal('/sock.it/one/poll?ack=1&got=0');
    await answer('poll', ['a', 'b'], batch(1));
    expect(waiting('poll').path).to.equal('/sock.it/one/poll?ack=1&got=1');
    await answer('poll', ['c']);
    expect(waiting('poll').path).to.equal('/sock.it/one/poll?ack=1&got=2');
    expect(told).to.deep.equal(['open one', 'a', 'b', 'c']);
  });

  it('asks again for a batch whose answer was cut off, and takes a batch once', async () => {
    await open();
    waiting('poll').fail();
    await pass(2000);
    await answer('poll', ['a'], batch(1));
    waiting('poll').answer('["a', batch(2));
    await pass(4000);
    await answer('poll', ['a'], batch(1));
    await answer('poll', ['b'], batch(2));
    expect(told).to.deep.equal(['open one', 'a', 'b']);
  });

  it('sends what is given before it is open, together, and then one request at a time', async () => {
    begin().send('a');
    sock.send('ä');
    expect(sock.bufferedAmount).to.equal(3);
    await pass();
    await answer('poll-start', 'poll-start=one');
    expect(waiting('poll-msg')).to.include({ path: '/sock.it/one/poll-msg?ack=1&n=1', body: '["a","ä"]' });
    sock.send('c');
    sock.send('d');
    await pass();
    await taken();
    expect(waiting('poll-msg')).to.include({ path: '/sock.it/one/poll-msg?ack=1&n=2', body: '["c","d"]' });
    expect(sock.bufferedAmount).to.equal(2);
    await taken();
    expect(sock.bufferedAmount).to.equal(0);
  });

  it('sends the same under the same number, until the gateway says that it has it', async () => {
    await open();
    sock.send('a');
    await pass();
    waiting('poll-msg').fail();
    sock.send('b');
    await pass(2000);
    // Something else has answered.
    waiting('poll-msg').answer('<html>log in to the wifi</html>');
    await pass(4000);
    expect(waiting('poll-msg')).to.include({ path: '/sock.it/one/poll-msg?ack=1&n=1', body: '["a"]' });
    await taken();
    expect(waiting('poll-msg')).to.include({ path: '/sock.it/one/poll-msg?ack=1&n=2', body: '["b"]' });
  });

  it('believes an answer that may be the beginning of another one if it comes twice', async () => {
    await open();
    sock.send('a');
    await pass();
    await answer('poll-msg', '');
    expect(sock.bufferedAmount).to.equal(1);
    await pass(2000);
    await answer('poll-msg', '');
    expect(sock.bufferedAmount).to.equal(0);
  });

  it('sends at most 1000 messages, or half a megabyte, in one request', async () => {
    await open();
    for (let i = 0; i < 1500; i++) sock.send('x');
    for (let i = 0; i < 3; i++) sock.send('y'.repeat(300_000));
    const sizes: number[] = [];
    for (let i = 0; i < 4; i++) {
      await pass();
      sizes.push((JSON.parse(waiting('poll-msg').body) as string[]).length);
      await taken();
    }
    expect(sizes).to.deep.equal([1000, 501, 1, 1]);
    expect(sock.bufferedAmount).to.equal(0);
  });

  it('goes on in the new session if a poll finds the old one gone, sends again, and tells the page', async () => {
    await open();
    await answer('poll', ['a'], batch(1));
    sock.send('x');
    await pass();
    await answer('poll', 'poll-start=two');
    expect(waiting('poll').path).to.equal('/sock.it/two/poll?ack=1&got=0');
    await answer('poll-msg', 'poll-start=two');
    expect(waiting('poll-msg')).to.include({ path: '/sock.it/two/poll-msg?ack=1&n=1', body: '["x"]' });
    await answer('poll', ['b'], batch(1));
    expect(told).to.deep.equal(['open one', 'a', 'open two', 'b']);
    expect(sock.session).to.equal('two');
  });

  it('does the same if a request that sends finds it gone', async () => {
    await open();
    sock.send('x');
    await pass();
    await answer('poll-msg', 'poll-start=two');
    expect(waiting('poll').path).to.equal('/sock.it/two/poll?ack=1&got=0');
    expect(waiting('poll-msg').path).to.equal('/sock.it/two/poll-msg?ack=1&n=1');
    expect(told).to.deep.equal(['open one', 'open two']);
  });

  it('begins a new session with a fresh credential, where the messages of the stream have ended', async () => {
    let given = 0;
    await open({ credential: () => `token${++given}`, format: 'json', since: '5' });
    expect(waiting('poll').path).to.contain('format=json&since=5&access_token=token1');
    const message = { channel: 'room:1', revision: 1, id: '17', data: 'x' };
    await answer('poll', ['{"status":"ok"}', JSON.stringify(message), 'no json'], batch(1));
    expect(waiting('poll').path).to.contain('since=17&access_token=token1');
    sock.send('x');
    await pass();
    await answer('poll', { error: 'unauthorized', message: '' }, { status: 401 });
    await answer('poll-msg', { error: 'unauthorized', message: '' }, { status: 401 });
    await pass(2000);
    expect(waiting('poll-start').path).to.contain('since=17&access_token=token2');
    await answer('poll-start', 'poll-start=two');
    await pass(2000);
    expect(waiting('poll-msg').path).to.contain('two/poll-msg').and.contain('token2');
  });

  it('does not ask for what it has of a stream that tells no ids', async () => {
    await open({ user: 7, since: '5' });
    expect(waiting('poll').path).to.contain('user=7&since=5');
    await answer('poll', ['a'], batch(1));
    expect(waiting('poll').path).to.contain('user=7').and.not.to.contain('since');
  });

  it('closes with the status if the gateway refuses it for good, and says why', async () => {
    await open();
    const why = { error: 'too_large', message: 'the body is too large' };
    sock.send('x');
    await pass();
    await answer('poll-msg', why, { status: 413 });
    await pass(60_000);
    expect(told).to.deep.equal(['open one', 'error', 'close 4413 the body is too large false']);
    expect(sock.readyState).to.equal(Sock.CLOSED);
    expect(network.asked).to.deep.equal([]);
  });

  it('closes when everything is sent', async () => {
    await open();
    sock.send('x');
    sock.close(3000, 'done');
    sock.send('lost');
    await pass();
    expect([sock.readyState, network.asked.length]).to.deep.equal([Sock.CLOSING, 1]);
    await taken();
    expect(told).to.deep.equal(['open one', 'close 3000 done true']);
    expect([sock.readyState, sock.bufferedAmount]).to.deep.equal([Sock.CLOSED, 4]);
  });

  it('closes although not everything can be sent, after a while', async () => {
    begin().send('x');
    sock.close();
    await pass();
    await answer('poll-start', 'poll-start=one');
    waiting('poll-msg').fail();
    await pass(5000);
    expect(told).to.deep.equal(['close 1006 not everything was sent false']);
    expect(network.asked).to.deep.equal([]);
  });

  it('closes at once if there is nothing to send, and tells nothing more of a batch', async () => {
    await open();
    const events: SockCloseEvent[] = [];
    sock.addEventListener('close', (event) => events.push(event));
    sock.addEventListener('message', () => sock.close());
    await answer('poll', ['a', 'b'], batch(1));
    expect(told).to.deep.equal(['open one', 'a', 'close 1000  true']);
    expect(events).to.have.length(1);
    expect(network.asked).to.deep.equal([]);
  });

  it('tells that it has closed later, so that the page can listen first', async () => {
    let given = 0;
    begin({ credential: () => `token${++given}` }).close();
    expect([told, sock.readyState]).to.deep.equal([[], Sock.CLOSING]);
    await pass();
    expect(told).to.deep.equal(['close 1000  true']);
    expect([sock.readyState, given], 'no session is begun').to.deep.equal([Sock.CLOSED, 0]);
  });

  it('tells what the credential has thrown, and asks for it again', async () => {
    const errors: SockErrorEvent[] = [];
    const thrown = new Error('log in');
    const credentials = [
      () => {
        throw thrown;
      },
      () => Promise.reject('no network'),
      () => 'token',
    ];
    let given = 0;
    begin({ credential: () => credentials[given++]!() });
    sock.addEventListener('error', (event) => errors.push(event));
    await pass();
    expect(told).to.deep.equal(['error']);
    await pass(2000);
    expect(errors.map(({ message, error }) => [message, error])).to.deep.equal([
      ['Error: log in', thrown],
      ['no network', 'no network'],
    ]);
    await pass(4000);
    expect(waiting('poll-start').path).to.contain('access_token=token');
    expect(sock.readyState).to.equal(Sock.CONNECTING);
  });

  it('sends no credential and no user if there is none', async () => {
    for (const none of [null, '', undefined]) {
      begin({ credential: () => none, user: null });
      await pass();
      expect(waiting('poll-start').path).to.equal('/sock.it/poll-start?ack=1');
      sock.close();
      await pass();
    }
  });

  it('takes an address without a host for one of the page, or of the worker', () => {
    expect(() => new Sock('/sock.it/')).to.throw('Invalid URL');
    Object.assign(globalThis, { location: { href: 'http://gateway/scripts/worker.js' } });
    try {
      sock = new Sock('/sock.it/', { fetch: network.fetch });
    } finally {
      Reflect.deleteProperty(globalThis, 'location');
    }
    expect(sock.url).to.equal('http://gateway/sock.it/');
  });

  it('has the addresses of a WebSocket, and of one at another site', () => {
    expect(begin().url).to.equal('http://gateway/sock.it/');
    const other = new Sock('wss://gateway/x/', { fetch: network.fetch });
    expect(other.url).to.equal('https://gateway/x/');
    other.close();
  });
});
