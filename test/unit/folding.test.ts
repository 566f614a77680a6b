import { expect } from 'chai';
import { type Fields, Folding } from '../../src/folding.ts';
import { createLogger } from '../../src/logger.ts';

describe('events that repeat', () => {
  let now: number;
  let folding: Folding;
  let written: Fields[];
  const pass = (fields: Fields): void => folding.pass(fields, (line) => written.push(line));

  beforeEach(() => {
    now = 0;
    written = [];
    folding = new Folding(() => now);
  });

  it('are twenty lines, and then one a second with the number that it stands for', () => {
    for (let i = 0; i < 200; i++) pass({ event: 'stream_closed', reason: 'client', user: String(i) });
    expect(written).to.have.length(20);
    expect(written[0]).to.deep.equal({ event: 'stream_closed', reason: 'client', user: '0' });
    now = 1000;
    for (let i = 0; i < 50; i++) pass({ event: 'stream_closed', reason: 'client', user: 'later' });
    expect(written.slice(20)).to.deep.equal([{ event: 'stream_closed', reason: 'client', user: 'later', times: 181 }]);
    now = 3000;
    pass({ event: 'stream_closed', reason: 'client', user: 'last' });
    expect(written.slice(21)).to.deep.equal([{ event: 'stream_closed', reason: 'client', user: 'last', times: 50 }]);
  });

  it('are counted by themselves if their reason is another one, and never left out if they say who did what', () => {
    for (let i = 0; i < 30; i++) {
      pass({ event: 'stream_closed', reason: 'client' });
      pass({ event: 'audit', action: 'grant' });
    }
    pass({ event: 'stream_closed', reason: 'slow' });
    expect(written.filter(({ event }) => event === 'audit')).to.have.length(30);
    expect(written.at(-1)).to.deep.equal({ event: 'stream_closed', reason: 'slow' });
  });

  it('that were left out stand before the last line of the gateway', () => {
    for (let i = 0; i < 25; i++) pass({ event: 'stream_closed', reason: 'shutdown', user: String(i) });
    pass({ event: 'stopped' });
    expect(written.slice(20)).to.deep.equal([
      { event: 'stream_closed', reason: 'shutdown', user: '20', times: 5 },
      { event: 'stopped' },
    ]);
  });

  it('are all there at debug, for whoever looks for a mistake, and where nothing folds', () => {
    const lines: string[] = [];
    const stream = { write: (line: string) => lines.push(line) };
    const logger = createLogger('debug', stream, { folds: true, worker: 2 });
    for (let i = 0; i < 30; i++) {
      logger.debug({ event: 'stream_opened' });
      logger.child({ component: 'session' }).info({ event: 'stream_closed', reason: 'client' }, 'text');
    }
    const events = lines.map((line) => JSON.parse(line) as Fields);
    expect(events.filter(({ event }) => event === 'stream_opened')).to.have.length(30);
    expect(events.filter(({ event }) => event === 'stream_closed')).to.have.length(20);
    expect(events[1]).to.include({ component: 'session', msg: 'text', worker: 2 });
  });
});
