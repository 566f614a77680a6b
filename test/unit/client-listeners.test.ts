import { expect } from 'chai';
import { Listeners } from '../../src/client/listeners.ts';

describe('the listeners of a client', () => {
  let listeners: Listeners;
  let told: string[];
  const reportError = globalThis.reportError;

  beforeEach(() => {
    listeners = new Listeners();
    told = [];
    globalThis.reportError = (error) => told.push(`reported ${(error as Error).message}`);
  });
  afterEach(() => {
    globalThis.reportError = reportError;
  });

  const note = (value: string): void => void told.push(value);
  const fail = (): void => {
    throw new Error('of the page');
  };

  it('are told in their order, and each is taken away by itself, also if two are the same function', () => {
    const away = listeners.add('a', note);
    listeners.add('a', note);
    listeners.tell('a', '1');
    away();
    away();
    listeners.tell('a', '2');
    expect(told).to.deep.equal(['1', '1', '2']);
  });

  it('are not told any more once they were taken away, also by one that is told before them', () => {
    listeners.add('a', () => away());
    const away = listeners.add('a', note);
    listeners.tell('a', '1');
    listeners.add('b', () => listeners.clear());
    listeners.add('b', note);
    listeners.tell('b', '2');
    expect(told).to.deep.equal([]);
  });

  it('do not tell those that are added meanwhile', () => {
    listeners.add('a', () => void listeners.add('a', note));
    listeners.tell('a', '1');
    expect(told).to.deep.equal([]);
  });

  it('that throw keep no other from being told, and are told as errors, or reported if nobody listens for those', () => {
    listeners.add('a', fail);
    listeners.add('a', note);
    listeners.tell('a', '1');
    listeners.add('error', (error: Error) => told.push(`error ${error.message}`));
    listeners.tell('a', '2');
    expect(told).to.deep.equal(['reported of the page', '1', 'error of the page', '2']);
  });

  it('for errors that throw are reported, and not told of themselves', () => {
    listeners.add('error', fail);
    listeners.add('a', fail);
    listeners.tell('a', '1');
    expect(told).to.deep.equal(['reported of the page']);
  });
});
