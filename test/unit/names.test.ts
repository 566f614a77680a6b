import { expect } from 'chai';
import fc from 'fast-check';
import { SisyphusError } from '../../src/errors.ts';
import {
  channelOfUser,
  isChannel,
  isUser,
  requireChannel,
  requireEvent,
  requireUser,
  userOfChannel,
} from '../../src/message/names.ts';
import { CHANNELS, EVENTS, OWN_CHANNELS, USERS } from '../support/twin-tables.ts';

const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.stringMatching(/^[a-z:*@/+-]{0,10}$/));

function codeOf(call: () => unknown): string {
  try {
    call();
    return 'none';
  } catch (error) {
    return (error as SisyphusError).code;
  }
}

describe('a channel name', () => {
  it('is 1 to 128 letters, digits and _ . : -', () => {
    for (const [name, is] of CHANNELS) expect(isChannel(name), JSON.stringify(name)).to.equal(is);
  });

  it("is not one of the gateway's own", () => {
    for (const name of ['sisyphus:', 'sisyphus:x', 'sisyphus:{0}:clock']) expect(isChannel(name), name).to.equal(false);
  });

  it("may be any user's own channel, also where the user has more letters than a channel may have", () => {
    for (const user of ['7', 'a+b@c.d', 'u'.repeat(128)]) expect(isChannel(channelOfUser(user)), user).to.equal(true);
    expect(isChannel(channelOfUser('u'.repeat(129)))).to.equal(false);
    expect(isChannel('room:a@b')).to.equal(false);
  });

  it('is asked for with what would be right', () => {
    expect(requireChannel('room:1')).to.equal('room:1');
    for (const name of ['', undefined, null, 7, ['room:1'], {}])
      expect(codeOf(() => requireChannel(name))).to.equal('bad_channel');
    expect(() => requireChannel('a b')).to.throw(SisyphusError, 'such as room:918');
    expect(() => requireChannel('\n'.repeat(1000))).to.throw(/^.{0,400}$/);
  });

  it('has nothing that is special in XML, a header line, or a pub/sub pattern', () => {
    fc.assert(
      fc.property(anything, (name) => {
        if (isChannel(name)) expect(name).to.match(/^[A-Za-z0-9_.:@+|-]{1,133}$/);
      }),
    );
  });
});

describe('a user id', () => {
  it('is 1 to 128 letters, digits and _ . @ + | -, and never a colon', () => {
    for (const [id, is] of USERS) expect(isUser(id), JSON.stringify(id)).to.equal(is);
  });

  it('is asked for with what would be right', () => {
    expect(requireUser('7')).to.equal('7');
    for (const id of ['', undefined, ['7'], 7]) expect(codeOf(() => requireUser(id))).to.equal('bad_user');
  });

  it('cannot reach another key or channel', () => {
    fc.assert(
      fc.property(anything, (id) => {
        if (!isUser(id)) return;
        expect(channelOfUser(id).split(':')).to.have.length(2);
        expect(userOfChannel(channelOfUser(id))).to.equal(id);
      }),
    );
    for (const [channel, user] of OWN_CHANNELS) expect(userOfChannel(channel), channel).to.equal(user);
  });
});

describe('an event name', () => {
  it('is 1 to 128 letters, digits and _ . : -, and none that means something else to an EventSource', () => {
    for (const [name, is] of EVENTS) {
      expect(
        codeOf(() => requireEvent(name)),
        JSON.stringify(name),
      ).to.equal(is ? 'none' : 'bad_event');
    }
    for (const name of [undefined, 7]) expect(codeOf(() => requireEvent(name))).to.equal('bad_event');
  });
});
