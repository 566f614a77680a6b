import { expect } from 'chai';
import { mask } from '../../src/mask.ts';

const MASKED: [string, string][] = [
  ['redis://u:hunter2@h/1', 'redis://***@h/1'],
  ['redis://:hun@ter/2@h', 'redis://***@h'],
  ['cannot reach redis+sentinel://u:hunter2@a:1,b:2/main now', 'cannot reach redis+sentinel://***@a:1,b:2/main now'],
  ['amqp://u:hunter2@h', 'amqp://***@h'],
  ['redis://h?password=hunter2&db=3', 'redis://h?password=***&db=3'],
  ['/stream?user=1&access_token=hunter2&since=2', '/stream?user=1&access_token=***&since=2'],
  ['/?api_key=hunter2;sig=hunter2', '/?api_key=***;sig=***'],
  ['{"a":"redis://u:hun\\"ter2@h"}', '{"a":"redis://***@h"}'],
  [
    '{"set-cookie":["a=hunter2","b=hunter2"],"pin_token":2,"Authorization":"hunter2"}',
    '{"set-cookie":"***","pin_token":"***","Authorization":"***"}',
  ],
  ['Authorization: Basic aHVudGVyMg==', 'Authorization: Basic ***'],
];

const LEFT = [
  "redis-cli -p 6379 PUBLISH room:1 '<message>hello</message>'",
  '{"event":"signal","signal":"SIGHUP","user":"a@b.example","channel":"room:1"}',
  'http://localhost:3001/?user=1&format=json&lastEventId=7',
];

describe('what people and logs are shown', () => {
  for (const [text, expected] of MASKED) {
    it(`is ${expected}`, () => expect(mask(text)).to.equal(expected));
  }

  for (const text of LEFT) it(`is left as it is: ${text}`, () => expect(mask(text)).to.equal(text));

  it('costs little, whatever a client has put into a path', () => {
    const parts = ['a://', 'a.', '?pass', 'pass', '?a=', ';token', '"', '@', 'Bearer '];
    const begin = performance.now();
    for (const part of parts) mask(`{"path":"/${part.repeat(64_000 / part.length)}"}`);
    expect(performance.now() - begin).to.be.below(1_000);
  });
});
