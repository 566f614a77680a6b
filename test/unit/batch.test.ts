import { expect } from 'chai';
import { batched } from '../../src/store/redis/batch.ts';
import { eventually } from '../support/wait.ts';

describe('a batch', () => {
  let asked: { requests: number[]; answer: () => void; fail: () => void }[];
  let ask: (requests: number[]) => Promise<string[]>;

  beforeEach(() => {
    asked = [];
    ask = batched(3, (requests: number[]) => {
      return new Promise<string[]>((resolve, reject) => {
        const answer = () => resolve(requests.map((request) => `answer ${request}`));
        asked.push({ requests, answer, fail: () => reject(new Error('no')) });
      });
    });
  });

  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('takes what is asked in one turn, in calls of a bounded size, and answers each their own', async () => {
    const answers = [ask([1, 2]), ask([]), ask([3, 4])];
    await eventually(() => asked.length === 2);
    expect(asked.map(({ requests }) => requests)).to.eql([[1, 2, 3], [4]]);
    for (const { answer } of asked) answer();
    expect(await Promise.all(answers)).to.eql([['answer 1', 'answer 2'], [], ['answer 3', 'answer 4']]);
  });

  it('takes what is asked while the one before is on its way', async () => {
    const first = ask([1]);
    await eventually(() => asked.length === 1);
    const second = ask([2]);
    for (let i = 0; i < 5; i++) await turn();
    const third = ask([3]);
    asked[0]!.answer();
    expect(await first).to.eql(['answer 1']);
    await eventually(() => asked.length === 2);
    expect(asked[1]!.requests).to.eql([2, 3]);
    asked[1]!.answer();
    expect(await Promise.all([second, third])).to.eql([['answer 2'], ['answer 3']]);
  });

  it('waits for none that fails, and for none that is not answered', async () => {
    const first = ask([1]).catch(({ message }: Error) => message);
    await eventually(() => asked.length === 1);
    const second = ask([2]);
    asked[0]!.fail();
    expect(await first).to.equal('no');
    await eventually(() => asked.length === 2);
    void ask([3]);
    await eventually(() => asked.length === 3, 1000);
    asked[1]!.answer();
    expect(await second).to.eql(['answer 2']);
  });
});
