import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Authenticator, Identity } from '../../src/auth/authenticator.ts';
import { HttpRequest } from '../../src/auth/http-request.ts';
import type { Connection } from '../../src/connection/connection.ts';
import { Identification } from '../../src/http/identification.ts';
import type { Logger } from '../../src/logger.ts';

const REQUEST = new HttpRequest('GET', '/', [], {});
const USER: Identity = { user: '7' };

describe('the identification of a client', () => {
  let signals: AbortSignal[];
  let errors: object[];
  let connection: Pick<Connection, 'onClose'>;

  beforeEach(() => {
    signals = [];
    errors = [];
    connection = { onClose: () => undefined };
  });

  function by(
    authenticate: Authenticator['authenticate'],
    { patience = 5000, atATime = 10, asks = true } = {},
  ): Identification {
    const authenticator: Authenticator = {
      parameters: [],
      asks,
      authenticate: (request, signal) => {
        signals.push(signal);
        return authenticate(request, signal);
      },
    };
    const logger = { error: (line: object) => errors.push(line) } as unknown as Logger;
    return new Identification({ authenticator, logger, atATime, patience });
  }

  it('is what the authenticator answers', async () => {
    for (const identity of [USER, { user: '7', expires: Date.now() + 1000 }, { refusal: 'malformed' }] as Identity[]) {
      expect(await by(async () => identity).identify(REQUEST, connection)).to.equal(identity);
    }
  });

  it('is the same where the authenticator asks nobody: its signal never fires, and no number of clients is too many', async () => {
    const options = { asks: false, atATime: 0 };
    for (const identity of [USER, { refusal: 'malformed' }] as Identity[]) {
      expect(await by(async () => identity, options).identify(REQUEST, connection)).to.equal(identity);
    }
    connection.onClose('client');
    expect(signals.every(({ aborted }) => !aborted)).to.equal(true);
    const over = by(async () => ({ user: '7', expires: 0 }), options);
    expect(await over.identify(REQUEST, connection)).to.deep.equal({ refusal: 'expired' });
    const failing = by(async () => Promise.reject(new Error('a mistake')), options);
    expect(await failing.identify(REQUEST, connection)).to.deep.equal({ refusal: 'internal' });
  });

  it('is given up after a while, and the authenticator told', async () => {
    const never = by(() => new Promise(() => undefined), { patience: 20 });
    expect(await never.identify(REQUEST, connection)).to.deep.equal({ refusal: 'unavailable' });
    expect(signals[0]!.aborted).to.equal(true);
  });

  it('is given up at once if the client leaves, and the authenticator told', async () => {
    const asked = by(() => new Promise(() => undefined)).identify(REQUEST, connection);
    expect(signals[0]!.aborted).to.equal(false);
    connection.onClose('client');
    expect(signals[0]!.aborted).to.equal(true);
    await asked;
  });

  it('is no mistake of an authenticator that rejects because it was told', async () => {
    const rejecting: Authenticator['authenticate'] = (_, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const asked = by(rejecting).identify(REQUEST, connection);
    connection.onClose('client');
    await asked;
    expect(await by(rejecting, { patience: 10 }).identify(REQUEST, connection)).to.deep.equal({
      refusal: 'unavailable',
    });
    expect(errors).to.deep.equal([]);
  });

  it('leaves nothing that could fire later', async () => {
    await by(async () => USER, { patience: 20 }).identify(REQUEST, connection);
    connection.onClose('client');
    await wait(40);
    expect(signals[0]!.aborted).to.equal(false);
  });

  it('is a refusal if the credential has ended by then', async () => {
    for (const expires of [Date.now(), 0, Number.NaN]) {
      const over = by(async () => ({ user: '7', expires }));
      expect(await over.identify(REQUEST, connection), String(expires)).to.deep.equal({ refusal: 'expired' });
    }
  });

  it('is a refusal with a line in the log if the authenticator makes a mistake', async () => {
    for (const fails of [
      async () => Promise.reject(new Error('a mistake')),
      () => {
        throw new Error('a mistake');
      },
    ]) {
      expect(await by(fails).identify(REQUEST, connection)).to.deep.equal({ refusal: 'internal' });
      expect(errors.pop()).to.have.property('event', 'identification_failed');
    }
  });

  it('is waited for by so many at a time; those that have left do not count', async () => {
    const full = by(() => new Promise(() => undefined), { atATime: 2 });
    const other = { onClose: connection.onClose };
    const first = full.identify(REQUEST, connection);
    void full.identify(REQUEST, other);
    expect(await full.identify(REQUEST, { ...connection })).to.deep.equal({ refusal: 'capacity' });
    connection.onClose('client');
    await first;
    void full.identify(REQUEST, { ...connection });
    expect(signals).to.have.length(3);
    other.onClose('client');
  });
});
