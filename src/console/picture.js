import { Tile } from './chart.js';
import { byId, element } from './dom.js';

/** Without a report for so long (ms) the picture is old. */
const SILENCE = 5000;

/** The live picture of gateway and fleet, from a stream of reports. It stands still while the page is hidden. */
export class Picture {
  #source;
  #before;
  #heard = 0;
  #isWanted = false;
  #tiles;
  #onRefused;

  constructor(onRefused) {
    this.#onRefused = onRefused;
    const parent = byId('tiles');
    this.#tiles = {
      streams: new Tile(parent, 'Streams', ['streams']),
      messages: new Tile(parent, 'Messages/s', ['in', 'out']),
      latency: new Tile(parent, 'Publish to socket', ['latency']),
      redis: new Tile(parent, 'Redis round trip', ['round trip']),
    };
    document.addEventListener('visibilitychange', () => this.#change());
    setInterval(() => this.#look(), 1000);
  }

  start() {
    this.#isWanted = true;
    this.#change();
  }

  stop() {
    this.#isWanted = false;
    this.#change();
  }

  #change() {
    this.#source?.close();
    this.#source = undefined;
    this.#before = undefined;
    if (!this.#isWanted || document.hidden) return;
    this.#heard = Date.now();
    const source = new EventSource('console/reports');
    source.addEventListener('message', ({ data }) => this.#take(JSON.parse(data)));
    this.#source = source;
  }

  /** Opens the stream of reports anew if it was refused, or says nothing. */
  #look() {
    if (!this.#source || Date.now() - this.#heard < SILENCE) return;
    facts([['away', 'the gateway does not answer']]);
    this.#onRefused();
    this.#change();
  }

  #take(report) {
    this.#heard = Date.now();
    const before = this.#before;
    this.#before = report;
    this.#showFacts(report);
    if (before && report.at > before.at) this.#showTiles(report, before);
    this.#showFleet(report, before);
    byId('problems').replaceChildren(...report.problems.map((text) => element('li', {}, text)));
  }

  #showFacts({ ready, draining, redis, store, recorder, fleet, version }) {
    const leader = fleet.find(({ role }) => role === 'leader');
    // The one that has the lease may be a gateway without a console.
    const unnamed = recorder.recording ? 'recorder elsewhere' : 'no recorder';
    const recording = recorder.role === 'off' ? undefined : leader ? `recorder ${leader.gateway}` : unnamed;
    const state = draining ? ['bad', 'draining'] : ready ? ['good', 'ready'] : ['bad', 'not ready'];
    const storage = store === 'memory' ? ['', 'memory'] : [redis === 'up' ? 'good' : 'bad', `Redis ${redis}`];
    const isFine = recorder.recording || recorder.role === 'off';
    facts([state, storage, ...(recording ? [[isFine ? 'good' : 'bad', recording]] : []), ['', `version ${version}`]]);
  }

  #showTiles(report, before) {
    const seconds = (report.at - before.at) / 1000;
    const rate = (name) => Math.max(0, report[name] - before[name]) / seconds;
    const { streams, users, channels, open } = report;
    const kinds = Object.entries(open).filter(([kind, count]) => kind !== 'stream' && count > 0);
    const by = kinds.map(([kind, count]) => `${count} ${kind}`).join(', ');
    const note = `${many(users, 'user')}, ${many(channels, 'channel')}${by && `; ${by}`}`;
    this.#tiles.streams.add(number(streams), note, streams);
    const [came, went] = [rate('received'), rate('delivered')];
    this.#tiles.messages.add(
      `${number(came)} → ${number(went)}`,
      `${number(report.received)} since the start`,
      came,
      went,
    );
    const latency = meanOf(report.latency, before.latency);
    this.#tiles.latency.add(
      time(latency),
      latency === undefined ? 'nothing was published' : 'mean of the last second',
      latency,
    );
    const trip = meanOf(report.roundTrips, before.roundTrips);
    const load = `event loop ${Math.round(report.loop * 100)} %, ${Math.round(report.memory / 1048576)} MB`;
    // A round trip is timed every 0.7 s, so some seconds have none.
    if (trip !== undefined || report.store === 'memory') this.#tiles.redis.add(time(trip), load, trip);
  }

  #showFleet({ fleet, processes, at }, before) {
    byId('fleet-note').textContent = fleet.length === 1 ? 'one process' : `${fleet.length} processes`;
    if (processes > 1) byId('fleet-note').textContent += `, ${processes} of this gateway`;
    const earlier = new Map(before?.fleet.map((one) => [one.gateway, one]));
    byId('fleet').replaceChildren(...fleet.map((one, i) => rowOf(one, earlier.get(one.gateway), i === 0)));
    byId('fleet').dataset.at = at;
  }
}

/** What a gateway has counted between two of its own reports. */
const rates = new Map();

function rowOf(one, before, isHere) {
  if (before && one.at > before.at) {
    const seconds = (one.at - before.at) / 1000;
    const rate = (name) => Math.max(0, one[name] - before[name]) / seconds;
    rates.set(one.gateway, [rate('received'), rate('delivered')]);
  }
  const [came = 0, went = 0] = rates.get(one.gateway) ?? [];
  const name = element(
    'th',
    { scope: 'row' },
    one.gateway,
    ...(isHere ? [' ', element('span', { class: 'here' }, 'here')] : []),
  );
  const cells = [one.streams, one.users, one.channels, came, went].map((value) => element('td', {}, number(value)));
  const state = one.draining ? 'draining' : one.role;
  const role = element('td', { class: `role ${one.role}` }, state === 'unknown' ? '…' : state);
  return element('tr', {}, name, ...cells, role);
}

function facts(list) {
  byId('facts').replaceChildren(...list.map(([mood, text]) => element('li', mood ? { class: mood } : {}, text)));
}

/** The mean of what was observed between two histograms (s); `undefined` if nothing was. */
function meanOf(after, before) {
  const count = after.count - before.count;
  return count > 0 ? (after.sum - before.sum) / count : undefined;
}

function number(value) {
  const short = Number(value.toFixed(1));
  const text = short < 100 ? String(short) : String(Math.round(value));
  return text.replace(/\B(?=(\d{3})+(?!\d|\.))/g, '\u202f');
}

function many(count, word) {
  return `${number(count)} ${word}${count === 1 ? '' : 's'}`;
}

function time(seconds) {
  if (seconds === undefined) return '–';
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 0)} ms` : `${seconds.toFixed(1)} s`;
}
