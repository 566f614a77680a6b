import { expect } from 'chai';
import { Admission, type Crowded, openingAtATime, type Turn } from '../../src/session/admission.ts';

const HERE = (): boolean => false;

function isTurn(answer: Turn | Crowded): answer is Turn {
  return 'done' in answer;
}

describe('who may open a stream now', () => {
  it('is everybody, while there are few', async () => {
    const admission = new Admission(2);
    for (const _ of [1, 2]) expect(isTurn(await admission.enter(HERE))).to.equal(true);
    expect(admission.opening).to.equal(2);
  });

  it('is divided among the workers of a gateway, because one Redis answers all of them', () => {
    expect([1, 2, 3, 256].map((workers) => openingAtATime({ workers }))).to.deep.equal([200, 100, 67, 1]);
  });

  it('is whoever came first, when another is done', async () => {
    const admission = new Admission(1);
    const first = (await admission.enter(HERE)) as Turn;
    const order: number[] = [];
    const others = [1, 2, 3].map(async (number) => {
      const turn = (await admission.enter(HERE)) as Turn;
      order.push(number);
      turn.done();
    });
    expect(order).to.deep.equal([]);
    first.done();
    await Promise.all(others);
    expect(order).to.deep.equal([1, 2, 3]);
    expect(admission).to.include({ opening: 0, waiting: 0 });
  });

  it('gives one turn back once, however often it is said to be done', async () => {
    const admission = new Admission(1);
    const first = (await admission.enter(HERE)) as Turn;
    first.done();
    first.done();
    expect(admission.opening).to.equal(0);
  });

  it('is nobody who has left meanwhile', async () => {
    const admission = new Admission(1);
    const first = (await admission.enter(HERE)) as Turn;
    let hasLeft = false;
    let told = false;
    void admission.enter(() => hasLeft).then(() => (told = true));
    const third = admission.enter(HERE);
    hasLeft = true;
    first.done();
    expect(isTurn(await third)).to.equal(true);
    expect(told).to.equal(false);
    expect(admission.opening).to.equal(1);
  });

  it('turns away whoever has waited for too long, and says how large the crowd is', async () => {
    const admission = new Admission(2, 30);
    const turns = (await Promise.all([admission.enter(HERE), admission.enter(HERE)])) as Turn[];
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => admission.enter(HERE)));
    expect(answers).to.deep.equal([{ times: 1 }, { times: 1 }, { times: 2 }, { times: 2 }, { times: 3 }]);
    expect(admission.waiting).to.equal(0);
    for (const turn of turns) turn.done();
    expect(isTurn(await admission.enter(HERE))).to.equal(true);
  });

  it('turns nobody away early: each has the whole patience', async () => {
    const admission = new Admission(1, 60);
    const first = (await admission.enter(HERE)) as Turn;
    const early = admission.enter(HERE);
    await new Promise((resolve) => setTimeout(resolve, 40));
    const late = admission.enter(HERE);
    expect(await early).to.have.property('times');
    first.done();
    expect(isTurn(await late)).to.equal(true);
  });
});
