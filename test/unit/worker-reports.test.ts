import { expect } from 'chai';
import type { ToWorker } from '../../src/cli/worker-messages.ts';
import { type Reporting, WorkerReports } from '../../src/cli/worker-reports.ts';
import { Counters } from '../../src/counters.ts';
import { countsOf } from '../../src/metrics/combine.ts';
import type { Gathered, Report } from '../../src/metrics/report.ts';

/** A worker that answers at once, unless it hangs. */
class FakeWorker implements Reporting {
  readonly counters = new Counters();
  readonly pid: number;
  hangs = false;
  hears = true;
  gathered: Gathered | undefined;
  reports!: WorkerReports;
  readonly place: number;

  constructor(place: number) {
    this.place = place;
    this.pid = 100 + place;
  }

  send(message: ToWorker): void {
    if (message.kind === 'gathered') this.gathered = message.gathered;
    if (message.kind !== 'report' || this.hangs) return;
    const report = { counts: this.counters.snapshot() } as unknown as Report;
    const { number } = message;
    queueMicrotask(() => this.reports.hear(this, { kind: 'reported', number, report }));
  }
}

describe('the reports of several workers', () => {
  let workers: FakeWorker[];
  let reports: WorkerReports;

  beforeEach(() => {
    workers = [new FakeWorker(1), new FakeWorker(2)];
    reports = new WorkerReports(() => workers, 2, 20);
    for (const worker of workers) worker.reports = reports;
    for (const worker of workers) worker.counters.messageDelivered(10);
  });

  const delivered = (gathered: Gathered): number => countsOf(gathered).delivered.messages;

  it('are those of all, for whichever asks', async () => {
    reports.hear(workers[0]!, { kind: 'gather', number: 7 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(delivered(workers[0]!.gathered!)).to.equal(2);
    expect(workers[0]!.gathered!.workers).to.deep.equal([
      { worker: 1, pid: 101, answered: true },
      { worker: 2, pid: 102, answered: true },
    ]);
  });

  it('name a worker that does not answer in time, and count what it said last', async () => {
    await reports.gather();
    workers[0]!.counters.messageDelivered(10);
    workers[1]!.hangs = true;
    const gathered = await reports.gather();
    expect(gathered.workers![1]).to.deep.equal({ worker: 2, pid: 102, answered: false });
    expect(gathered.reports).to.have.length(1);
    expect(delivered(gathered)).to.equal(3);
    workers[1]!.hangs = false;
    expect(delivered(await reports.gather())).to.equal(3);
  });

  it('never fall when a worker ends, with its last words or without, and name its empty place', async () => {
    await reports.gather();
    const [first, second] = workers.splice(0, 2);
    reports.ended(first!);
    second!.counters.messageDelivered(10);
    reports.hear(second!, { kind: 'last', counts: second!.counters.snapshot() });
    reports.ended(second!);
    const gathered = await reports.gather();
    expect(delivered(gathered)).to.equal(3);
    expect(gathered.workers).to.deep.equal([
      { worker: 1, pid: undefined, answered: false },
      { worker: 2, pid: undefined, answered: false },
    ]);
  });

  it('count a worker once that ends while it is asked', async () => {
    await reports.gather();
    const [, second] = workers;
    second!.hangs = true;
    const gathering = reports.gather();
    workers.pop();
    reports.ended(second!);
    expect(delivered(await gathering)).to.equal(2);
  });

  it('count a worker once that answers, and ends before the last one has', async () => {
    await reports.gather();
    const [first, second] = workers;
    second!.hangs = true;
    const gathering = reports.gather();
    await new Promise((resolve) => setImmediate(resolve));
    workers.shift();
    reports.hear(first!, { kind: 'last', counts: first!.counters.snapshot() });
    reports.ended(first!);
    const gathered = await gathering;
    expect(delivered(gathered)).to.equal(2);
    expect(gathered.workers![0]).to.deep.equal({ worker: 1, pid: undefined, answered: false });
    second!.hangs = false;
    expect(delivered(await reports.gather())).to.equal(2);
  });

  it('do not wait for a worker that does not hear yet, and name it only if its place has no other', async () => {
    const next = new FakeWorker(2);
    next.hears = false;
    workers.push(next);
    next.send = () => expect.fail('it was asked');
    expect((await reports.gather()).workers).to.deep.equal([
      { worker: 1, pid: 101, answered: true },
      { worker: 2, pid: 102, answered: true },
    ]);
    const [old] = workers.splice(1, 1);
    reports.ended(old!);
    const gathered = await reports.gather();
    expect(gathered.workers![1]).to.deep.equal({ worker: 2, pid: 102, answered: false });
    expect(delivered(gathered), 'what the one before it has counted').to.equal(2);
  });
});
