import { expect } from 'chai';
import { createLogger } from '../../src/logger.ts';

describe('log', () => {
  let lines: string[];
  const stream = { write: (line: string) => void lines.push(line) };

  beforeEach(() => {
    lines = [];
  });

  it('is one JSON line a fact, with level, time and event', () => {
    createLogger('info', stream).child({ component: 'hub' }).info({ event: 'listening', port: 1 }, 'listening on 1');
    expect(lines).to.have.length(1);
    const line = JSON.parse(lines[0]);
    expect(line).to.include({ level: 'info', component: 'hub', event: 'listening', port: 1, msg: 'listening on 1' });
    expect(Date.parse(line.time)).to.be.closeTo(Date.now(), 5_000);
  });

  it('says nothing below its level', () => {
    createLogger('warn', stream).info('nothing');
    expect(lines).to.deep.equal([]);
  });

  it('holds no secret, whatever its depth, spelling or place in a text', () => {
    createLogger('trace', stream).error(
      {
        token: 'hunter2',
        a: { b: { c: { publishSecret: 'hunter2"x', Authorization: 'Basic hunter2', 'set-cookie': 'hunter2' } } },
        url: '/stream?user=1&token=hunter2&since=2',
        redis: 'rediss://user:hunter2@redis.example:6379/1',
        err: new Error('cannot reach redis://:hunter2@redis.example'),
      },
      'refused: Bearer hunter2',
    );
    expect(lines[0]).not.to.contain('hunter2');
    expect(JSON.parse(lines[0])).to.nested.include({
      url: '/stream?user=1&token=***&since=2',
      'a.b.c.publishSecret': '***',
    });
    expect(lines[0]).to.contain('redis.example');
  });

  it('holds nothing of the command that the driver could not send', () => {
    const error = Object.assign(new Error('WRONGPASS invalid username-password pair'), {
      code: 'WRONGPASS',
      command: { name: 'hello', args: ['3', 'AUTH', 'user', 'hunter2'] },
    });
    createLogger('info', stream).fatal({ event: 'crashed', err: error });
    expect(lines[0]).not.to.contain('hunter2');
    expect(JSON.parse(lines[0])).to.nested.include({ 'err.code': 'WRONGPASS', 'err.message': error.message });
  });

  it('measures payloads instead of showing them', () => {
    createLogger('trace', stream).trace({ payload: Buffer.from('hunter2'), data: 'hunter2' }, 'sent');
    expect(JSON.parse(lines[0])).to.deep.include({ payload: { bytes: 7 }, data: { bytes: 7 } });
  });

  it('escapes what a reader of the log may take for the end of a line, or a terminal for a command', () => {
    const reason = 'a\u2028{"level":"info"}\u2029b\u0085c\u009b2Jd\u202ee\u2066f\u007fg\nh\u001b[2Ji\ud800j';
    createLogger('info', stream).info({ event: 'x', reason });
    expect(lines[0]).to.match(/^[ -~]+\n$/);
    expect(JSON.parse(lines[0])).to.include({ reason });
  });
});
