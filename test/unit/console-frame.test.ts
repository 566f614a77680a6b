import { expect } from 'chai';

interface Read {
  kind: string;
  channel: string | undefined;
  word: string | undefined;
}

describe('a frame in the console', () => {
  let readFrame: (event: { type: string; data: string; lastEventId: string }, format: string) => Read;

  before(async () => {
    // It is a script of a page, and has no types.
    ({ readFrame } = await import(String(new URL('../../src/console/frame.js', import.meta.url))));
  });

  const raw = (type: string, data: string): Read => readFrame({ type, data, lastEventId: '1' }, 'raw');

  it('is read from the raw texts of the gateway', () => {
    const reset = '<message><reset><channel>room:1</channel><reason>trimmed</reason></reset></message>';
    expect(raw('reset', reset)).to.include({ kind: 'reset', channel: 'room:1', word: 'trimmed' });
    const denied = '<message><denied><channel>room:2</channel></denied></message>';
    expect(raw('denied', denied)).to.include({ kind: 'denied', channel: 'room:2' });
    expect(raw('message', '<message><status>ok</status></message>')).to.include({ kind: 'status', word: 'ok' });
    expect(raw('message', '<message>hello</message>')).to.include({ kind: 'message' });
  });

  it('is read at once, also if a message was made to take long', () => {
    const data = `<message><reset><channel>${'</channel><reason>'.repeat(20_000)}`;
    const began = performance.now();
    expect(raw('message', data)).to.include({ kind: 'message' });
    expect(performance.now() - began).to.be.below(500);
  });
});
