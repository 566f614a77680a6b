import { publishCommand, showCommand } from './commands.js';
import { byId } from './dom.js';
import { post } from './requests.js';

const form = byId('publish');

/** The form that publishes. @param onEvent called with the name of an event before it is published */
export function watchPublish(session, onEvent) {
  form.addEventListener('input', () => show(session));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void publish(onEvent);
  });
  byId('publish-data').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  for (const way of ['fcall', 'plain']) form.querySelector(`[value="${way}"]`).disabled = !session.redis;
  show(session);
}

function read() {
  const [channel, data, event] = ['channel', 'data', 'event'].map((name) => byId(`publish-${name}`).value);
  return { way: form.elements.way.value, channel: channel.trim(), data, event: event.trim() };
}

function show(session) {
  const { way, ...message } = read();
  // A plain PUBLISH carries a text and nothing else.
  byId('publish-event').disabled = way === 'plain';
  showCommand('publish', publishCommand(way, way === 'plain' ? { ...message, event: '' } : message, session));
}

async function publish(onEvent) {
  const { way, channel, data, event } = read();
  const times = Math.min(100, Math.max(1, Number(byId('publish-times').value) || 1));
  const hasEvent = event !== '' && way !== 'plain';
  if (hasEvent) onEvent(event);
  const began = performance.now();
  try {
    let answer;
    for (let i = 0; i < times; i++) answer = await post(way, { channel, data, ...(hasEvent && { event }) });
    const took = `${times > 1 ? `${times} times, ` : ''}${Math.round(performance.now() - began)} ms`;
    say(way === 'plain' ? plainResult(answer, took) : `id ${answer.id}, revision ${answer.revision}; ${took}`);
  } catch (error) {
    say(error.message, false);
  }
}

function plainResult({ receivers }, took) {
  const heard = receivers === 1 ? '1 client of Redis has' : `${receivers} clients of Redis have`;
  return `${heard} received it; the recorder makes a message of it; ${took}`;
}

function say(text, isGood = true) {
  const result = byId('publish-result');
  result.textContent = text;
  result.classList.toggle('bad', !isGood);
}
