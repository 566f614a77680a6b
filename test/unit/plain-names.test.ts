import { expect } from 'chai';
import { PlainNames } from '../../src/store/redis/plain-names.ts';

interface Row {
  patterns: string[];
  prefix: string;
  /** What is subscribed. */
  subscribed: string[];
  /** By the name of a plain PUBLISH: the channel on which it is recorded, or none. */
  heard: Record<string, string | undefined>;
  /** By channel: the names that are listened to for it, and whether they are recorded. */
  names: Record<string, [names: string[], isRecorded: boolean]>;
}

const ROWS: Row[] = [
  {
    patterns: ['*:*'],
    prefix: '',
    subscribed: ['*:*'],
    heard: { 'room:1': 'room:1', 'app:room:1': 'app:room:1', room: undefined },
    names: { 'user:7': [['user:7'], true] },
  },
  {
    patterns: ['room:*'],
    prefix: '',
    subscribed: ['room:*'],
    heard: { 'room:1': 'room:1', 'user:7': undefined },
    names: { 'room:1': [['room:1'], true], 'user:7': [['user:7'], false] },
  },
  {
    patterns: ['*:*'],
    prefix: 'app_',
    subscribed: ['*:*'],
    heard: {
      'room:1': 'room:1',
      'app_room:1': 'room:1',
      'app_app_room:1': 'app_room:1',
      'other_room:1': 'other_room:1',
    },
    names: { 'user:7': [['user:7', 'app_user:7'], true] },
  },
  {
    patterns: ['room:*', 'user:[0-9]'],
    prefix: 'app:',
    subscribed: ['room:*', 'user:[0-9]', 'app:room:*', 'app:user:[0-9]'],
    heard: {
      'room:1': 'room:1',
      'app:room:1': 'room:1',
      'app:user:7': 'user:7',
      'app:user:x': undefined,
      'app:x:1': undefined,
    },
    names: { 'user:7': [['user:7', 'app:user:7'], true], 'user:x': [['user:x', 'app:user:x'], false] },
  },
  {
    patterns: ['app:*:*'],
    prefix: 'app:',
    subscribed: ['app:*:*'],
    heard: { 'app:room:1': 'room:1', 'room:1': undefined, 'other:room:1': undefined },
    names: { 'user:7': [['app:user:7'], true] },
  },
  {
    patterns: [],
    prefix: 'app:',
    subscribed: [],
    heard: { 'room:1': undefined, 'app:room:1': undefined },
    names: { 'user:7': [['user:7', 'app:user:7'], false] },
  },
];

describe('the names of plain channels', () => {
  for (const { patterns, prefix, subscribed, heard, names } of ROWS) {
    it(`are, for ${patterns.join(' ') || 'no patterns'} with ${prefix === '' ? 'no prefix' : prefix}`, () => {
      const plain = new PlainNames(patterns, prefix);
      expect(plain.patterns).to.deep.equal(subscribed);
      for (const [name, channel] of Object.entries(heard)) {
        expect(plain.patternOf(name) === undefined ? undefined : plain.channelOf(name), name).to.equal(channel);
      }
      for (const [channel, [expected, isRecorded]] of Object.entries(names)) {
        expect(plain.namesOf(channel), channel).to.deep.equal(expected);
        expect(plain.record(channel), channel).to.equal(isRecorded);
      }
    });
  }

  it('differ in what gateways tell each other, wherever they would not record the same', () => {
    const settings: [string[], string][] = [
      [['*:*'], ''],
      [['*:*'], 'app:'],
      [['*:*'], 'app'],
      [['room:*'], ''],
      [['room:*'], 'app:'],
      [['room:*', 'app:room:*'], ''],
    ];
    const told = settings.map(([patterns, prefix]) => new PlainNames(patterns, prefix).description);
    expect(new Set(told).size).to.equal(settings.length);
  });
});
