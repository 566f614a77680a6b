import { rightsCommand, showCommand } from './commands.js';
import { byId, element } from './dom.js';
import { get, post } from './requests.js';

const form = byId('rights');
/** The verb of the command that is shown: that of the last button. */
let verb = 'grant';

/** The form that grants, revokes and disconnects, and the list of the user's channels. */
export function watchRights(session) {
  form.addEventListener('input', () => show(session));
  byId('rights-user').addEventListener('change', () => void list());
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    verb = event.submitter?.value ?? 'grant';
    show(session);
    void change(verb, read());
  });
  if (session.rights === 'credential') {
    byId('rights-note').textContent = 'SISYPHUS_RIGHTS=credential: the list in Redis does not count for streams.';
  }
  show(session);
}

function read() {
  return { user: byId('rights-user').value.trim(), channel: byId('rights-channel').value.trim() };
}

function show(session) {
  showCommand('rights', rightsCommand(verb, read(), session));
}

async function change(what, { user, channel }) {
  try {
    const { id } = await post(what, what === 'disconnect' ? { user } : { user, channel });
    const done = { grant: `granted ${channel}`, revoke: `revoked ${channel}`, disconnect: 'disconnected' }[what];
    say(`${done}: id ${id}`);
  } catch (error) {
    say(error.message, false);
  }
  await list();
}

/** Reads which channels the user may follow. */
export async function list() {
  const { user } = read();
  const chips = byId('rights-list');
  if (user === '') return chips.replaceChildren();
  try {
    const { channels, problem } = await get(`rights?${new URLSearchParams({ user })}`);
    chips.replaceChildren(...channels.map((channel) => chipOf(user, channel)));
    if (problem) say(`The list of user ${user}: ${problem}`, false);
  } catch (error) {
    chips.replaceChildren();
    say(error.message, false);
  }
}

function chipOf(user, channel) {
  const button = element(
    'button',
    { type: 'button', 'aria-label': `Revoke ${channel}`, title: `Revoke ${channel}` },
    '×',
  );
  button.addEventListener('click', () => void change('revoke', { user, channel }));
  return element('li', {}, channel, button);
}

function say(text, isGood = true) {
  const result = byId('rights-result');
  result.textContent = text;
  result.classList.toggle('bad', !isGood);
}
