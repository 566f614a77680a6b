/** Series by name and labels, in promtool's notation: one value every 10 s. All are of one gateway. */
type Series = Record<string, string>;

/** What a gateway shows that has some load and no trouble. */
const HEALTHY: Series = {
  up: '1+0x120',
  sisyphus_ready: '1+0x120',
  sisyphus_redis_up: '1+0x120',
  sisyphus_recording: '1+0x120',
  sisyphus_publishing: '1+0x120',
  sisyphus_warnings: '0+0x120',
  sisyphus_workers_died_total: '3+0x120',
  'sisyphus_worker_up{worker="1"}': '1+0x120',
  'sisyphus_resets_total{reason="trimmed"}': '0+1x120',
  'sisyphus_streams_closed_total{reason="client"}': '0+500x120',
  'sisyphus_streams_closed_total{reason="slow"}': '0+1x120',
  'sisyphus_streams_closed_total{reason="internal"}': '0+0x120',
  'sisyphus_streams_refused_total{refusal="expired"}': '0+500x120',
  'sisyphus_streams_refused_total{refusal="capacity"}': '0+1x120',
  'sisyphus_streams_open{transport="stream"}': '4000+0x120',
  'sisyphus_streams_open{transport="rt"}': '3000+0x120',
  sisyphus_streams_limit: '10000+0x120',
  sisyphus_open_files: '7000+0x120',
  sisyphus_open_files_limit: '10000+0x120',
  'sisyphus_redis_round_trip_seconds_bucket{le="0.05"}': '0+14x120',
  'sisyphus_redis_round_trip_seconds_bucket{le="0.25"}': '0+14x120',
  'sisyphus_redis_round_trip_seconds_bucket{le="+Inf"}': '0+14x120',
  'sisyphus_publish_to_socket_seconds_bucket{le="0.5"}': '0+1000x120',
  'sisyphus_publish_to_socket_seconds_bucket{le="2.5"}': '0+1000x120',
  'sisyphus_publish_to_socket_seconds_bucket{le="+Inf"}': '0+1000x120',
  'sisyphus_event_loop_delay_seconds{quantile="0.99"}': '0.1+0x120',
  'sisyphus_event_loop_delay_seconds{quantile="1"}': '3+0x120',
  sisyphus_messages_unrecordable_total: '7+0x120',
  sisyphus_messages_unconfirmed_total: '7+0x120',
};

/** An alert, what makes it fire, when it must not fire yet, and when it must. */
type Case = [alert: string, series: Series, notYet: string, fires: string];

const CASES: Case[] = [
  ['SisyphusAway', { up: '1+0x30 0+0x90' }, '5m', '6m30s'],
  ['SisyphusNotReady', { sisyphus_ready: '1+0x30 0+0x90' }, '5m50s', '6m30s'],
  ['SisyphusRedisAway', { sisyphus_redis_up: '1+0x30 0+0x90' }, '5m', '5m40s'],
  ['SisyphusNoRecorder', { sisyphus_recording: '1+0x30 0+0x90' }, '5m20s', '6m'],
  ['SisyphusWorkerMissing', { 'sisyphus_worker_up{worker="1"}': '1+0x30 0+0x90' }, '5m50s', '6m30s'],
  ['SisyphusRefusesPublishers', { sisyphus_publishing: '1+0x30 0+0x90' }, '5m50s', '6m30s'],
  ['SisyphusWorkersDie', { sisyphus_workers_died_total: '3+0x30 4+0x90' }, '4m', '8m'],
  ['SisyphusWarns', { sisyphus_warnings: '0+0x12 1+0x108' }, '16m', '18m'],
  ['SisyphusResets', { 'sisyphus_resets_total{reason="trimmed"}': '0+20x120' }, '1m', '10m'],
  ['SisyphusStreamsEnd', { 'sisyphus_streams_closed_total{reason="slow"}': '0+20x120' }, '4m', '10m'],
  ['SisyphusMistake', { 'sisyphus_streams_closed_total{reason="internal"}': '0+0x30 1+0x90' }, '4m', '8m'],
  ['SisyphusRefuses', { 'sisyphus_streams_refused_total{refusal="capacity"}': '0+20x120' }, '4m', '10m'],
  ['SisyphusStreamsNearLimit', { 'sisyphus_streams_open{transport="stream"}': '5500+0x120' }, '4m', '10m'],
  ['SisyphusFilesNearLimit', { sisyphus_open_files: '8500+0x120' }, '4m', '10m'],
  ['SisyphusFilesNearLimit', { sisyphus_open_files: '140+0x120', sisyphus_open_files_limit: '200+0x120' }, '4m', '10m'],
  ['SisyphusRedisSlow', { 'sisyphus_redis_round_trip_seconds_bucket{le="0.05"}': '0+7x120' }, '4m', '10m'],
  ['SisyphusLate', { 'sisyphus_publish_to_socket_seconds_bucket{le="0.5"}': '0+900x120' }, '4m', '10m'],
  ['SisyphusEventLoopLate', { 'sisyphus_event_loop_delay_seconds{quantile="0.99"}': '0.4+0x120' }, '4m', '10m'],
  ['SisyphusUnrecordable', { sisyphus_messages_unrecordable_total: '7+0x30 8+0x90' }, '4m', '8m'],
  ['SisyphusUnconfirmed', { sisyphus_messages_unconfirmed_total: '7+0x30 8+0x90' }, '4m', '8m'],
];

export const TESTED_ALERTS = [...new Set(CASES.map(([alert]) => alert))];

/** A file for `promtool test rules`: each alert fires on what it names, after its time, and no other one does. */
export function ruleTests(rules: string): string {
  const tests = CASES.map(([name, series, notYet, fires]) => {
    const checks: [string, string?][] = [[notYet], [fires, name]];
    return { name, ...testOf({ ...HEALTHY, ...series }, checks) };
  });
  const healthy = { name: 'nothing is wrong', ...testOf(HEALTHY, [['19m']]) };
  // JSON is YAML.
  return JSON.stringify({ rule_files: [rules], evaluation_interval: '10s', tests: [healthy, ...tests] }, null, 2);
}

function testOf(series: Series, checks: [at: string, alert?: string][]): object {
  return {
    interval: '10s',
    input_series: Object.entries(series).map(([name, values]) => ({ series: withInstance(name), values })),
    promql_expr_test: checks.map(([at, alert]) => ({
      expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
      eval_time: at,
      exp_samples: alert ? [{ labels: `{alertname="${alert}"}`, value: 1 }] : [],
    })),
  };
}

function withInstance(series: string): string {
  const [name, labels = '}'] = series.split('{');
  return `${name}{job="sisyphus",instance="a",${labels}`.replace(',}', '}');
}
