import { expect } from 'chai';
import { createLogger } from '../../src/logger.ts';
import { ReadableLog } from '../../src/readable-log.ts';

describe('the log on a terminal', () => {
  let text: string;
  const target = {
    write: (more: string): void => {
      text += more;
    },
  };
  beforeEach(() => {
    text = '';
  });

  it('is a line for each event: time, level, event, text and fields', () => {
    const logger = createLogger('info', new ReadableLog(target, false)).child({ component: 'hub' });
    logger.warn({ event: 'redis_away', reason: 'Redis cannot be reached', since: 12, list: ['a'] }, 'gone');
    expect(text).to.match(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}redis_away gone reason="Redis cannot be reached" since=12 list=\["a"\] hub \d+\n$/,
    );
  });

  it('has the stack of a mistake below its line, and colours only if they are wanted', () => {
    const logger = createLogger('info', new ReadableLog(target, true));
    logger.error({ event: 'request_failed', err: new Error('broken') });
    expect(text).to.contain('\x1b[31mERROR\x1b[0m \x1b[1mrequest_failed\x1b[0m ');
    expect(text).to.match(/\n {4}Error: broken\n {4}at /);
    text = '';
    createLogger('info', new ReadableLog(target, false)).error({ event: 'request_failed' });
    expect(text).not.to.contain('\x1b');
  });

  it('cannot be steered by what a client has sent, and holds no secret', () => {
    const logger = createLogger('info', new ReadableLog(target, false));
    logger.info({ event: 'x', path: 'a\x1b[31m\nlevel', name: '\u2028\u202e', token: 'hunter2' }, 'b\x1b]0;\nc');
    expect(text.split('\n')).to.have.length(2);
    expect(text).not.to.match(/(?!\n)\p{Cc}|[\u2028\u202e]|hunter2/u);
  });

  it('passes lines that are no JSON, several at once, as they are', () => {
    new ReadableLog(target, false).write('Watch as user 1\n{"level":"info","event":"a","pid":1}\n{"level":"inf\n');
    expect(text).to.match(/^Watch as user 1\n\S* ?INFO {2}a 1\n\{"level":"inf\n$/);
  });
});
