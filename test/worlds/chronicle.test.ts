import { expect } from 'chai';
import { formatEnvelope } from '../../src/message/envelope.ts';
import type { Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';
import { parseLine } from '../support/monitor.ts';
import { Chronicle } from './chronicle.ts';
import { AppList } from './lists.ts';

describe('what is read from MONITOR', () => {
  it('a command, its words as bytes, and whether a script called it', () => {
    const line = '1795802879.448488 [0 lua] "publish" "c" "a \\"quote\\" \\\\ \\n\\r\\t\\xc3\\xa9\\x00"';
    const command = parseLine(line);
    expect(command).to.include({ at: 1795802879448.488, inScript: true, name: 'PUBLISH' });
    expect(command?.args.map(String)).to.deep.equal(['c', 'a "quote" \\ \n\r\té\0']);
    expect(parseLine('1.5 [0 127.0.0.1:4711] "PING"')).to.include({ inScript: false, name: 'PING' });
    expect(parseLine('OK')).to.equal(undefined);
  });

  describe('a list of the application', () => {
    const key = 'user:7:channels';
    const namesAfter = (...commands: string[]): string[] => {
      const list = new AppList();
      for (const command of commands) {
        const [name = '', ...words] = command.split(' ');
        list.apply(name, key, words);
      }
      return list.names();
    };

    it('is a set, a list or a sorted set', () => {
      expect(namesAfter(`SADD ${key} room:1 room:2`, `SREM ${key} room:1`)).to.deep.equal(['room:2']);
      expect(namesAfter(`RPUSH ${key} room:1 room:1`, `LREM ${key} 0 room:1`)).to.deep.equal([]);
      expect(namesAfter(`ZADD ${key} NX 1 room:1 2 room:2`, `ZREM ${key} room:2`)).to.deep.equal(['room:1']);
    });

    it('is not changed by a command for another type, which Redis refuses, until it is empty', () => {
      expect(namesAfter(`SADD ${key} room:1`, `ZADD ${key} 1 room:2`, `LREM ${key} 0 room:1`)).to.deep.equal([
        'room:1',
      ]);
      expect(namesAfter(`SADD ${key} room:1`, `SREM ${key} room:1`, `ZADD ${key} 1 room:2`)).to.deep.equal(['room:2']);
      expect(namesAfter(`SADD ${key} room:1`, `DEL ${key}`, `ZADD ${key} 1 room:2`)).to.deep.equal(['room:2']);
    });
  });

  it('messages, records, lists and who reads them, by world', () => {
    const chronicle = new Chronicle();
    const annals = chronicle.begin('w1x2z');
    let order = 0;
    const take = (name: string, words: (string | Buffer)[], inScript = false): void => {
      const args = words.map((word) => Buffer.from(word as string));
      chronicle.take({ name, args, inScript, order, step: order, at: order++ });
    };
    const record = (channel: string, payload: string): void => {
      const envelope = formatEnvelope(aMessage({ channel, payload: Buffer.from(payload), id: 1000 as Position }));
      take('XADD', [`sisyphus:{0}:channel:${channel}:msg_backlog`, 'MAXLEN', '100', '1000-0', 'm', envelope], true);
    };
    take('SADD', ['user:w1x2za:channels', 'room:w1x2z0']);
    take('ZDIFF', ['2', 'user:w1x2za:channels', 'known'], true);
    take('PUBLISH', ['room:w1x2z0', 'T1.1T plain']);
    take('PUBLISH', ['room:w1x2z0', 'T1.2T lost']);
    take('PUBLISH', ['sisyphus{0}/room/w1x2z0', 'an envelope with T1.1T'], true);
    record('room:w1x2z0', 'T1.1T plain');
    record('user:w1x2za', 'T1.3T by script');
    record('room:w9x9z0', 'T1.4T of another world');
    take('SREM', ['user:w1x2za:channels', 'room:w1x2z0'], true);
    const publications = [...annals.publications.values()];
    expect(publications.map(({ tag, plain, entries }) => [tag, plain, entries.length])).to.deep.equal([
      ['T1.1T', true, 1],
      ['T1.2T', true, 0],
      ['T1.3T', false, 1],
    ]);
    expect(annals.lists.map(({ channels, atomic }) => [channels, atomic])).to.deep.equal([
      [['room:w1x2z0'], false],
      [[], true],
    ]);
    expect(annals.looks.map(({ moment }) => moment.order)).to.deep.equal([1]);
    expect(chronicle.ids).to.deep.equal([5, 6, 7]);
    expect(chronicle.holes).to.deep.equal([3]);
  });
});
