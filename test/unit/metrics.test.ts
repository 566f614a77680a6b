import { expect } from 'chai';
import { Counters } from '../../src/counters.ts';
import { consoleReport } from '../../src/http/console/report.ts';
import { render } from '../../src/metrics/render.ts';
import type { Report } from '../../src/metrics/report.ts';
import { METRICS } from '../../src/metrics/table.ts';

function aReport(counters: Counters, more: { ready?: boolean; streams?: number; utilization?: number } = {}): Report {
  const { ready = true, streams = 0, utilization = 0.5 } = more;
  const recorder = { role: 'leader', recording: true } as const;
  const common = { version: '0.1.0', store: 'redis', redis: 'up', reasons: [], draining: false, warnings: [] } as const;
  const figures = { namespace: null, database: 0, streams, users: 0, channels: 0, subscriptions: 0, lingering: 0 };
  const loop = { p50: 0.001, p99: streams / 10, max: 0.2, utilization };
  const files = { open: 30, limit: Number.POSITIVE_INFINITY };
  return {
    status: { ...common, reasons: [], warnings: [], ...figures, recorder, settings: undefined },
    state: { ready, publishing: ready, open: { stream: streams }, maxStreams: 10, loop, files, memory: 1 },
    counts: counters.snapshot(),
  };
}

const linesOf = async (text: Promise<string>): Promise<string[]> => (await text).split('\n');

describe('the metrics', () => {
  it('have the form that Prometheus reads, with 0 for words that have not come yet', async () => {
    const counters = new Counters();
    counters.streamClosed('slow');
    const lines = await linesOf(render({ reports: [aReport(counters)] }));
    expect(lines).to.include('# TYPE sisyphus_streams_closed_total counter');
    expect(lines).to.include('sisyphus_streams_closed_total{reason="slow"} 1');
    expect(lines).to.include('sisyphus_streams_closed_total{reason="redis"} 0');
    expect(lines).to.include('sisyphus_recorder_role{role="leader"} 1');
    expect(lines.filter((line) => line.startsWith('sisyphus_open_files_limit'))).to.deep.equal([]);
    for (const { name } of METRICS) expect(lines.some((line) => line.startsWith(`# HELP ${name} `))).to.equal(true);
  });

  it('have histograms whose buckets count what is at most so large', async () => {
    const counters = new Counters();
    for (const value of [0.001, 0.004, 0.004, 9]) counters.messageWritten('rt', value);
    const lines = await linesOf(render({ reports: [aReport(counters)] }));
    const name = 'sisyphus_publish_to_socket_seconds';
    const buckets = lines
      .filter((line) => line.startsWith(`${name}_bucket{transport="rt"`))
      .map((line) => line.split(' ')[1]);
    expect(buckets).to.deep.equal(['1', '1', '3', '3', '3', '3', '3', '3', '3', '3', '3', '3', '4']);
    expect(lines).to.include(`${name}_bucket{transport="rt",le="+Inf"} 4`);
    expect(lines).to.include(`${name}_count{transport="rt"} 4`);
    expect(lines).to.include(`${name}_sum{transport="rt"} 9.009`);
  });

  it('of several workers are one: counts are added up with those of ended ones, and the worst state counts', async () => {
    const [one, two, three] = [new Counters(), new Counters(), new Counters()];
    for (const counters of [one, two, three]) counters.messageDelivered(10);
    for (const counters of [one, three]) counters.messageWritten('stream', 0.002);
    const reports = [aReport(one, { streams: 2 }), aReport(two, { streams: 3, ready: false })];
    const workers = [
      { worker: 1, pid: 7, answered: true },
      { worker: 2, pid: 8, answered: false },
    ];
    const lines = await linesOf(render({ reports, ended: three.snapshot(), workers, died: 2 }));
    expect(lines).to.include('sisyphus_messages_delivered_total 3');
    expect(lines).to.include('sisyphus_publish_to_socket_seconds_bucket{transport="stream",le="0.0025"} 2');
    expect(lines).to.include('sisyphus_streams_open{transport="stream"} 5');
    expect(lines).to.include('sisyphus_ready 0');
    expect(lines).to.include('sisyphus_event_loop_delay_seconds{quantile="0.99"} 0.3');
    expect(lines).to.include('sisyphus_worker_up{worker="1"} 1');
    expect(lines).to.include('sisyphus_worker_up{worker="2"} 0');
    expect(lines).to.include('sisyphus_workers_died_total 2');
  });

  it('of several workers are one in the console, too: the busiest event loop counts, and the one that is not ready', () => {
    const reports = [
      aReport(new Counters(), { streams: 2, utilization: 0.9 }),
      aReport(new Counters(), { streams: 3, utilization: 0.1, ready: false }),
    ];
    const shown = consoleReport({ reports }, []);
    expect(shown).to.include({ loop: 0.9, memory: 2, ready: false, processes: 2, streams: 5 });
    expect(shown).to.deep.include({ open: { stream: 5 } });
  });
});
