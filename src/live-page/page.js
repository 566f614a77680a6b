/** `collections`: the names; `silence`: after so long (ms) without a frame the stream is taken for dead. */
const { collections, silence } = JSON.parse(document.getElementById('settings').textContent);
/** How often changes are read out (ms). */
const READING_OUT = 5000;
/** The first pause before another attempt (ms), and the longest. */
const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 8000;

const state = document.getElementById('state');
const news = document.getElementById('news');
const tables = new Map();
/** The stream, and the id up to which it was read. */
let source;
let position;
/** Counts the attempts to connect: what belongs to an earlier one is ignored. */
let attempt = 0;
let failures = 0;
let lastFrame = 0;
let retry;

function say(isLive) {
  if (state.dataset.live === String(isLive)) return;
  state.dataset.live = isLive;
  state.textContent = isLive ? 'Live' : `Not live since ${new Date().toLocaleTimeString()}`;
}

function close() {
  clearTimeout(retry);
  attempt++;
  source?.close();
  source = undefined;
}

/** Tries again after a pause, the longer the more attempts have failed; at different times for different pages. */
function again() {
  close();
  say(false);
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures++);
  retry = setTimeout(connect, pause * (0.5 + Math.random()));
}

// Addresses are relative, because a proxy may put the gateway below a path.

/** Loads the tables that have no records, and opens one stream for all of them. */
async function connect() {
  close();
  const mine = attempt;
  try {
    for (const table of tables.values()) {
      if (!table.isLoaded) await table.load();
      if (mine !== attempt) return;
    }
  } catch {
    if (mine === attempt) again();
    return;
  }
  open();
}

function open() {
  const ids = [...tables.values()].map(({ id }) => id);
  const since = position ?? ids.reduce((one, other) => (one < other ? one : other));
  const query = new URLSearchParams({ format: 'json', since });
  for (const name of collections) query.append('c', `collection:${name}`);
  source = new EventSource(`stream?${query}`);
  lastFrame = Date.now();
  source.addEventListener('message', read);
  source.addEventListener('reset', read);
  source.addEventListener('error', again);
}

function read({ data, lastEventId }) {
  lastFrame = Date.now();
  const frame = JSON.parse(data);
  if (frame.status === 'ok') {
    failures = 0;
    say(true);
  }
  if (lastEventId !== '' && lastEventId !== '0') position = lastEventId;
  const channel = frame.reset?.channel ?? frame.channel;
  const table = channel && tables.get(channel.replace('collection:', ''));
  if (!table || !(frame.reset || table.apply(frame.id, frame.data))) return;
  table.clear();
  say(false);
  connect();
}

setInterval(() => {
  if (source && Date.now() - lastFrame > silence) again();
}, 1000);

setInterval(() => {
  const told = [...tables.values()].filter(({ changes }) => changes > 0);
  if (told.length > 0) news.textContent = told.map(({ name, changes }) => `${name}: ${changes} changed`).join(', ');
  for (const table of told) table.changes = 0;
}, READING_OUT);

addEventListener('offline', () => say(false));
addEventListener('online', () => {
  failures = 0;
  connect();
});

for (const name of collections) tables.set(name, new Table(name));
if (collections.length > 0) connect();
else state.textContent = 'There is no public collection.';
