import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { mock } from 'node:test';
import { expect } from 'chai';
import type { SisyphusError } from '../../src/errors.ts';
import { ReportFeed } from '../../src/http/console/report-feed.ts';

class Page extends EventEmitter {
  readonly req: { method: string };
  readonly frames: string[] = [];
  writableNeedDrain = false;
  hasEnded = false;

  constructor(method = 'GET') {
    super();
    this.req = { method };
  }

  writeHead(): void {}
  flushHeaders(): void {}

  write(frame: string): void {
    this.frames.push(frame);
  }

  end(): void {
    this.hasEnded = true;
    this.emit('close');
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the reports for the console', () => {
  let reads: number;
  let isDraining: boolean;
  let failures: unknown[];
  let feed: ReportFeed;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    [reads, isDraining, failures] = [0, false, []];
    const read = async (): Promise<object> => {
      if (++reads === 3) throw new Error('the store is away');
      return { report: reads };
    };
    feed = new ReportFeed({ read, isDraining: () => isDraining, onFailure: (error) => failures.push(error) });
  });
  afterEach(() => mock.timers.reset());

  const open = (method?: string, until?: number): Page => {
    const page = new Page(method);
    feed.add(page as unknown as ServerResponse, until);
    return page;
  };
  const refusalOf = (): string => {
    try {
      open();
      return 'none';
    } catch (error) {
      return (error as SisyphusError).code;
    }
  };
  const second = async (): Promise<void> => {
    mock.timers.tick(1000);
    await settle();
  };

  it('come at once and then each second, gathered once for all pages, and go on after a failure', async () => {
    const one = open();
    await settle();
    const other = open();
    await settle();
    expect([one.frames, other.frames]).to.deep.equal([
      ['data: {"report":1}\n\n', 'data: {"report":2}\n\n'],
      ['data: {"report":2}\n\n'],
    ]);
    await second();
    expect(failures).to.have.length(1);
    other.writableNeedDrain = true;
    await second();
    expect([one.frames.length, other.frames.length]).to.deep.equal([3, 1]);
    expect(reads).to.equal(4);
  });

  it('are gathered one after the other, however slow that is', async () => {
    let answer = (_report: object): void => {};
    let asked = 0;
    const read = (): Promise<object> => {
      asked++;
      return new Promise((resolve) => {
        answer = resolve;
      });
    };
    feed = new ReportFeed({ read, isDraining: () => false, onFailure: (error) => failures.push(error) });
    const page = open();
    await second();
    await second();
    expect(asked).to.equal(1);
    answer({});
    await settle();
    await second();
    expect([asked, page.frames.length]).to.deep.equal([2, 1]);
  });

  it('are not gathered while nobody watches', async () => {
    const page = open();
    await settle();
    page.emit('close');
    await second();
    await second();
    expect(reads).to.equal(1);
    expect(open('HEAD').hasEnded).to.equal(true);
    await second();
    expect(reads).to.equal(1);
  });

  it('end with the log-in of their page', async () => {
    const [one, other] = [open('GET', Date.now() + 1500), open()];
    await second();
    expect([one.hasEnded, other.hasEnded]).to.deep.equal([false, false]);
    await second();
    expect([one.hasEnded, other.hasEnded]).to.deep.equal([true, false]);
  });

  it('are for fifty pages at a time, and for none while the gateway drains', async () => {
    const pages = Array.from({ length: 50 }, () => open());
    expect(refusalOf()).to.equal('unavailable');
    pages[0]!.emit('close');
    expect(refusalOf()).to.equal('none');
    isDraining = true;
    expect(refusalOf()).to.equal('draining');
    await second();
    expect(pages.slice(1).every(({ hasEnded }) => hasEnded)).to.equal(true);
  });
});
