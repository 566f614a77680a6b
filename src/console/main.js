import { Clock } from './clock.js';
import { listenCommand, showCommand, watchCopyButtons } from './commands.js';
import { byId, wordsOf } from './dom.js';
import { isEvent, refusalOf } from './event-name.js';
import { FrameList } from './frame-list.js';
import { Listening } from './listening.js';
import { Picture } from './picture.js';
import { watchPublish } from './publish.js';
import { get, post } from './requests.js';
import { forceReset } from './reset.js';
import { list, watchRights } from './rights.js';

/** What the demo begins with. */
const DEMO = { user: '1', channel: 'room:1', data: '<message>hello</message>' };
/** The clock of Redis is asked again this often (ms). */
const CLOCK = 60_000;

const clock = new Clock();
const frames = new FrameList();
const picture = new Picture(() => void check());
const listening = new Listening(clock, {
  frame: show,
  note: (text) => frames.note(text),
  state: showState,
  refused: (error) => closeDoor(error),
});
/** Consoles in other tabs of this browser, which have the same log-in. */
const tabs = new BroadcastChannel('sisyphus-console');
let session;

function show(frame) {
  frames.add(frame);
  if (frame.kind !== 'reset') return;
  // What is replayed after it may be longer than the list is high.
  byId('last-reset').textContent = `last reset: ${frame.channel}, ${frame.word}`;
  byId('last-reset').hidden = false;
}

/** Asks whether the page is let in; if so, the desk is shown. */
async function enter() {
  try {
    session = await get('session');
  } catch (error) {
    closeDoor(error);
    return;
  }
  const isFirst = byId('desk').hidden && byId('listen-user').value === '' && !byId('desk').dataset.ready;
  byId('door').hidden = true;
  byId('desk').hidden = false;
  byId('logout').hidden = session.isDemo;
  if (isFirst) begin();
  await clock.set().catch(() => undefined);
  picture.start();
  if (isFirst && session.isDemo) listen();
}

/** Shows why the page is not let in, with the form to log in if that helps. */
function closeDoor({ status, message }) {
  if (status !== 401 && status !== 403) return;
  listening.close();
  picture.stop();
  byId('desk').hidden = true;
  byId('logout').hidden = true;
  byId('door').hidden = false;
  const isLogin = status === 401;
  byId('secret-row').hidden = !isLogin;
  byId('login').querySelector('button').hidden = !isLogin;
  if (isLogin) byId('secret').focus();
  else byId('door-text').textContent = message;
}

async function check() {
  await get('session').catch(closeDoor);
}

async function logIn() {
  try {
    await post('login', { secret: byId('secret').value });
    byId('secret').value = '';
    byId('login-result').textContent = '';
    await enter();
  } catch (error) {
    byId('login-result').textContent = error.message;
  }
}

/** Once: fills the forms, and listens to them. */
function begin() {
  byId('desk').dataset.ready = 'true';
  if (session.isDemo) {
    for (const id of ['listen-user', 'rights-user']) byId(id).value = DEMO.user;
    byId('publish-data').value = DEMO.data;
  }
  byId('publish-channel').value = byId('rights-channel').value = DEMO.channel;
  watchPublish(session, (event) => listening.listenFor(event));
  watchRights(session);
  watchCopyButtons();
  if (session.auth !== 'open') {
    byId('listen-note').textContent =
      `SISYPHUS_AUTH=${session.auth}: a page brings its credential. The console opens streams by its own right.`;
  }
  if (session.rights === 'credential') {
    byId('listen-note').textContent += ' Name the channels that the credential would have.';
  }
  showListenCommand();
  void list();
  setInterval(() => document.hidden || clock.set().catch(() => undefined), CLOCK);
}

/** What the form asks for. */
function wanted() {
  const kind = byId('listen-begin').value;
  const begin = kind === 'now' ? {} : { [kind]: byId('listen-start').value.trim() };
  return {
    user: byId('listen-user').value.trim(),
    channels: wordsOf(byId('listen-channels').value),
    format: byId('listen-format').value,
    begin,
  };
}

function listen() {
  const events = wordsOf(byId('listen-events').value);
  const wrong = events.find((event) => !isEvent(event));
  byId('listen-result').textContent = wrong === undefined ? '' : refusalOf(wrong);
  if (wrong !== undefined) return;
  for (const event of events) listening.listenFor(event);
  listening.open(wanted());
}

function showListenCommand() {
  showCommand('listen', listenCommand(wanted(), session));
}

function showState(state, note = '') {
  const user = listening.wanted?.user;
  const words = {
    open: user ? `open as user ${user}` : 'open as nobody',
    opening: 'connecting',
    away: '',
    closed: 'closed',
  };
  byId('state').textContent = [words[state], note].filter(Boolean).join(': ');
  byId('state').dataset.state = state;
  for (const id of ['disconnect', 'cut', 'reset', 'pause']) byId(id).disabled = !listening.isWanted;
}

async function reset() {
  const channel = byId('publish-channel').value.trim();
  const { backlogLength } = session;
  try {
    await forceReset(byId('reset-how').value, listening, { channel, backlogLength, clock });
  } catch (error) {
    frames.note(error.message);
  }
}

byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  void logIn();
});
byId('logout').addEventListener('click', async () => {
  await post('logout', {}).catch(() => undefined);
  await check();
  tabs.postMessage('logged out');
});
tabs.addEventListener('message', () => void check());
byId('listen').addEventListener('submit', (event) => {
  event.preventDefault();
  listen();
});
byId('listen').addEventListener('input', () => session && showListenCommand());
byId('listen-begin').addEventListener('change', ({ target }) => {
  byId('listen-start-row').hidden = target.value === 'now';
  byId('listen-start-label').textContent = target.value === 'since' ? 'Id' : 'Messages';
  byId('listen-start').value = target.value === 'since' ? listening.position : '10';
  showListenCommand();
});
byId('disconnect').addEventListener('click', () => listening.close());
byId('cut').addEventListener('click', () => {
  listening.cut();
  listening.comeBack(Number(byId('away').value));
});
byId('reset').addEventListener('click', () => void reset());

void enter();
