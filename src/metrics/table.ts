import { VARIABLES } from '../config/variables.ts';
import { CLOSE_REASONS } from '../connection/close-reason.ts';
import { REFUSALS } from '../connection/refusal.ts';
import { TIMED, TRANSPORTS } from '../connection/transport.ts';
import { RESET_REASONS } from '../message/reset.ts';
import { byWord, counter, gauge, histogram, type Metric } from './metric.ts';
import { ROLES } from './report.ts';

const LIMITS = VARIABLES.map(({ name }) => name).filter((name) => name.startsWith('SISYPHUS_MAX_'));

/** All metrics. docs/run/metrics.md has the same table, and a test compares them. */
// biome-ignore format: one metric in two lines
export const METRICS: Metric[] = [
  gauge('sisyphus_info', 'always 1; the labels say what runs', 'max',
    ({ status: { version, store } }) => [{ value: 1, labels: { version, store } }], ['version', 'store']),
  gauge('sisyphus_ready', '1 if streams should be sent here, as `/readyz` says', 'min',
    ({ state }) => state.ready),
  gauge('sisyphus_publishing', '1 unless Redis refuses something that publishers or the recorder need, as `/readyz` says', 'min',
    ({ state }) => state.publishing),
  gauge('sisyphus_draining', '1 while the gateway is being stopped', 'min',
    ({ status }) => status.draining),
  gauge('sisyphus_warnings', 'the warnings that `/status` shows', 'max',
    ({ status }) => status.warnings.length),
  gauge('sisyphus_streams_open', 'open streams, and polls that wait', 'sum',
    ({ state }) => byWord('transport', TRANSPORTS, state.open), ['transport']),
  gauge('sisyphus_streams_limit', 'how many streams may be open (`SISYPHUS_MAX_STREAMS`)', 'max',
    ({ state }) => state.maxStreams),
  gauge('sisyphus_users', 'users with open streams, counted at each worker', 'sum',
    ({ status }) => status.users),
  gauge('sisyphus_channels', 'channels that somebody reads, counted at each worker', 'sum',
    ({ status }) => status.channels),
  gauge('sisyphus_subscriptions', 'readers of channels in all', 'sum',
    ({ status }) => status.subscriptions),
  counter('sisyphus_streams_opened_total', 'streams that got their `ok`', 
    ({ opened }) => byWord('transport', TRANSPORTS, opened), ['transport']),
  counter('sisyphus_streams_closed_total', 'streams that had their `ok` and ended, by close reason',
    ({ closed }) => byWord('reason', Object.keys(CLOSE_REASONS), closed), ['reason']),
  counter('sisyphus_streams_refused_total', 'streams that were refused before their `ok`, by word',
    ({ refused }) => byWord('refusal', Object.keys(REFUSALS), refused), ['refusal']),
  counter('sisyphus_limited_total', 'streams and requests that were refused or ended at a limit, by the variable that sets it',
    ({ limits }) => byWord('limit', LIMITS, limits), ['limit']),
  counter('sisyphus_connections_dropped_total', 'connections that were closed without a response',
    ({ dropped }) => dropped),
  counter('sisyphus_messages_received_total', 'messages of followed channels that came from the store, healed ones included',
    ({ received }) => received.messages),
  counter('sisyphus_received_bytes_total', 'bytes of the texts of these messages',
    ({ received }) => received.bytes),
  counter('sisyphus_messages_delivered_total', 'messages that were given to readers, each reader counted',
    ({ delivered }) => delivered.messages),
  counter('sisyphus_delivered_bytes_total', 'bytes of the texts of these messages, without frames',
    ({ delivered }) => delivered.bytes),
  counter('sisyphus_messages_recorded_total', 'messages of plain `PUBLISH` that were recorded here',
    ({ recorder }) => recorder.recorded),
  counter('sisyphus_messages_unrecordable_total', 'messages of plain `PUBLISH` that could not be recorded here',
    ({ recorder }) => recorder.unrecordable),
  counter('sisyphus_messages_healed_total', 'messages that were read from the backlogs because they had not been heard',
    ({ healed }) => healed),
  counter('sisyphus_messages_duplicate_total', 'messages that were heard twice, and dropped',
    ({ duplicates }) => duplicates),
  counter('sisyphus_messages_unconfirmed_total', 'messages that were heard, and that Redis did not confirm',
    ({ unconfirmed }) => unconfirmed),
  counter('sisyphus_messages_undelivered_total', 'messages for poll sessions that were dropped, because too many waited',
    ({ undelivered }) => undelivered),
  counter('sisyphus_resets_total', 'resets that readers were told, each reader counted',
    ({ resets }) => byWord('reason', RESET_REASONS, resets), ['reason']),
  histogram('sisyphus_publish_to_socket_seconds', 'from the id of a message to its last write by this transport of this process; once for each message',
    ({ latency }) => TIMED.map((transport) => [{ transport }, latency[transport]]), ['transport']),
  histogram('sisyphus_replay_messages', 'the messages of each replay; `memory`: all came from the memory of the gateway',
    ({ replays }) => Object.entries(replays).map(([source, sizes]) => [{ source }, sizes]), ['source']),
  gauge('sisyphus_redis_up', '1 while Redis answers', 'min',
    ({ status }) => (status.redis === 'none' ? undefined : status.redis === 'up')),
  histogram('sisyphus_redis_round_trip_seconds', 'round trips of `PING` to Redis, one every 0.7 s',
    ({ roundTrips }) => [[{}, roundTrips]]),
  gauge('sisyphus_recording', '1 while some gateway records, or nothing is to be recorded', 'min',
    ({ status: { recorder } }) => recorder.role === 'off' || recorder.recording),
  gauge('sisyphus_recorder_role', '1 for the role that this process has', 'sum',
    ({ status: { recorder } }) => byWord('role', ROLES, { [recorder.role]: 1 }), ['role']),
  counter('sisyphus_recorder_fenced_total', 'how often a recorder here was fenced off',
    ({ recorder }) => recorder.fenced),
  counter('sisyphus_recorder_changes_total', 'how often the lease was taken here',
    ({ recorder }) => recorder.changes),
  gauge('sisyphus_event_loop_delay_seconds', 'how late the event loop was in the last 10 s; quantile 1 is the longest', 'max',
    ({ state: { loop } }) => loop && [['0.5', loop.p50], ['0.99', loop.p99], ['1', loop.max]]
      .map(([quantile, value]) => ({ value: Number(value), labels: { quantile: String(quantile) } })), ['quantile']),
  gauge('sisyphus_event_loop_utilization', 'the share of the last 10 s in which the event loop was busy', 'max',
    ({ state }) => state.loop?.utilization),
  gauge('sisyphus_open_files', 'open files, of the worker that has most', 'max',
    ({ state }) => state.files.open),
  gauge('sisyphus_open_files_limit', 'how many files a process may open', 'min',
    ({ state }) => state.files.limit),
  gauge('sisyphus_memory_bytes', 'resident memory', 'sum',
    ({ state }) => state.memory),
];

/** Whether a worker answered, by the number of its place; only with several workers. */
const WORKER_UP = {
  name: 'sisyphus_worker_up',
  type: 'gauge',
  help: 'with workers: 1 if the worker has answered in time',
  labels: ['worker'],
} as const;

/** How often a worker ended by itself: one that is started again within a second is not missed otherwise. Only with several workers. */
const WORKERS_DIED = {
  name: 'sisyphus_workers_died_total',
  type: 'counter',
  help: 'with workers: how often one ended by itself, and was started again',
  labels: [],
} as const;

/** What the primary knows of its workers. */
export const OF_WORKERS = { up: WORKER_UP, died: WORKERS_DIED };
