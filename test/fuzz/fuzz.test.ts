import { expect } from 'chai';
import { Stage } from './stage.ts';

/** How long requests are sent with each seed (s). `npm run fuzz -- --seconds N --seed S` takes longer. */
const SECONDS = 4;

describe('whatever is sent to a gateway', function () {
  this.timeout(60_000);
  let stage: Stage;

  before(async () => {
    stage = await new Stage().start();
  });

  after(() => stage?.stop());

  it('is answered as it should be, or the connection is closed', async () => {
    await stage.run(1, SECONDS);
    const fresh = Date.now() % 0x7fffffff;
    console.log(`      a fresh seed: ${fresh}`);
    await stage.run(fresh, SECONDS);
  });

  it('was of every kind: what opens streams, what publishes, and what is refused', () => {
    const usual = [
      'stream',
      '200',
      '404',
      '405',
      '415',
      'bad_request',
      'bad_json',
      'missing',
      'malformed',
      'poll-start',
    ];
    expect([...stage.answers.keys()]).to.include.members(usual);
  });

  it('reaches nobody whom it is not for', () => stage.judgeWitness());

  it('leaves no line in the log that it has written itself, no stream, no memory and no file', () => stage.judge());
});
