import { expect } from 'chai';
import { Vacancies } from '../../src/session/vacancies.ts';
import { FakeTimers } from '../support/fake-timers.ts';

describe('streams that wait for another one of their user to end', () => {
  let timers: FakeTimers;
  let settled: string[];
  let vacancies: Vacancies;
  beforeEach(() => {
    timers = new FakeTimers();
    timers.install();
    settled = [];
    vacancies = new Vacancies(2);
  });
  afterEach(() => timers.restore());

  const wait = (user: string, name: string) => vacancies.wait(user).then(() => settled.push(name));

  it('follow in the order in which they came, one for each that ends', async () => {
    for (const name of ['first', 'second']) void wait('u', name);
    void wait('v', 'other');
    vacancies.vacated('u');
    await timers.pass();
    expect(settled).to.deep.equal(['first']);
    vacancies.vacated('u');
    vacancies.vacated('u');
    await timers.pass();
    expect(settled).to.deep.equal(['first', 'second']);
  });

  it('wait for 0.4 s', async () => {
    void wait('u', 'first');
    await timers.pass(390);
    expect(settled).to.deep.equal([]);
    await timers.pass(10);
    expect(settled).to.deep.equal(['first']);
  });

  it('are as many as a user may have', async () => {
    for (const name of ['first', 'second', 'third']) void wait('u', name);
    await timers.pass();
    expect(settled).to.deep.equal(['third']);
    vacancies.vacated('u');
    void wait('u', 'fourth');
    await timers.pass();
    expect(settled).to.deep.equal(['third', 'first']);
  });
});
