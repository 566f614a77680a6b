import { byId, element } from './dom.js';
import { linesOf } from './frame.js';
import { TabStop } from './tab-stop.js';

/** Rows that are kept. */
const MOST = 500;
/** Frames that wait to be drawn, while the list is paused or the page is hidden; older ones are counted, and go. */
const MOST_WAITING = 500;
/** What all rows may have, and all frames that wait (characters); the newest one may have more. */
const MOST_TEXT = 5_000_000;
/** So much of a text is in its row (characters): a message may have megabytes, and the browser would lay out all of it. */
const MOST_SHOWN = 1000;
/** How often what has come is read out (ms). */
const READING_OUT = 5000;

/** The frames that have come, the newest first; a bounded number of them. */
export class FrameList {
  #list = byId('frames');
  #tabStop = new TabStop(this.#list, byId('filter'));
  #counts = byId('counts');
  #empty = byId('empty');
  #waiting = [];
  #waitingText = 0;
  #isPaused = false;
  #isDue = false;
  #words = [];
  #hidesNoop = false;
  #total = 0;
  #messages = 0;
  /** What has come since it was last read out. */
  #unread = 0;
  #last;

  constructor() {
    byId('filter').addEventListener('input', ({ target }) => {
      this.#words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
      this.#filter();
    });
    byId('hide-noop').addEventListener('change', ({ target }) => {
      this.#hidesNoop = target.checked;
      this.#filter();
    });
    byId('clear').addEventListener('click', () => this.clear());
    byId('pause').addEventListener('click', () => this.#pause(!this.#isPaused));
    setInterval(() => this.#readOut(), READING_OUT);
  }

  /** @param frame as `readFrame` answers it, with `at` (Date), `latency` (ms) and `isReplayed` */
  add(frame) {
    this.#total++;
    if (frame.kind === 'message') this.#messages++;
    if (frame.kind !== 'noop') {
      this.#unread++;
      this.#last = frame;
    }
    this.#put(frame);
  }

  /** A line of the page's own, such as that the connection was cut. */
  note(text, at = new Date()) {
    this.#put({ kind: 'note', text, at });
  }

  clear() {
    this.#waiting = [];
    this.#waitingText = 0;
    this.#total = this.#messages = 0;
    this.#tabStop.during(() => this.#list.replaceChildren());
    this.#count();
  }

  #put(frame) {
    this.#waiting.push(frame);
    this.#waitingText += sizeOf(frame);
    while (this.#waiting.length > MOST_WAITING || (this.#waitingText > MOST_TEXT && this.#waiting.length > 1)) {
      this.#waitingText -= sizeOf(this.#waiting.shift());
    }
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    if (!this.#isPaused) {
      const rows = this.#waiting.map((frame) => this.#rowOf(frame)).reverse();
      this.#waiting = [];
      this.#waitingText = 0;
      this.#tabStop.during(() => {
        this.#list.prepend(...rows);
        while (this.#list.childElementCount > MOST) this.#list.lastElementChild.remove();
        this.#bound();
      });
    }
    this.#count();
  }

  #bound() {
    let text = 0;
    for (const row of [...this.#list.children]) {
      text += sizeOf(row.frame);
      if (text > MOST_TEXT && row !== this.#list.firstElementChild) row.remove();
    }
  }

  #pause(isPaused) {
    this.#isPaused = isPaused;
    byId('pause').setAttribute('aria-pressed', String(isPaused));
    byId('pause').textContent = isPaused ? 'Go on' : 'Pause';
    this.#draw();
  }

  #count() {
    const waiting = this.#isPaused && this.#waiting.length > 0 ? `, ${this.#waiting.length} wait` : '';
    const frames = `${this.#total} ${this.#total === 1 ? 'frame' : 'frames'}`;
    const messages = `${this.#messages} ${this.#messages === 1 ? 'message' : 'messages'}`;
    this.#counts.textContent = this.#total > 0 ? `${frames}, ${messages}${waiting}` : '';
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  #rowOf(frame) {
    const row = element('li', { class: `frame ${frame.kind}` });
    if (frame.kind === 'status') row.classList.add(frame.word);
    row.frame = frame;
    row.hidden = !this.#shows(frame);
    if (frame.kind === 'note') {
      row.append(
        element('span', { class: 'time' }, timeOf(frame.at)),
        element('span', { class: 'note-text' }, frame.text),
      );
      return row;
    }
    const line = element('button', { type: 'button', class: 'line', 'aria-expanded': 'false', tabindex: '-1' });
    line.append(...cellsOf(frame));
    line.addEventListener('click', () => toggle(row, line));
    row.append(line);
    return row;
  }

  #shows(frame) {
    if (frame.kind === 'noop' && this.#hidesNoop) return false;
    if (this.#words.length === 0) return true;
    const text = [frame.kind, frame.word, frame.channel, frame.text, frame.id].join(' ').toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  #filter() {
    this.#tabStop.during(() => {
      for (const row of this.#list.children) row.hidden = !this.#shows(row.frame);
    });
  }

  #readOut() {
    if (this.#unread === 0) return;
    const many = this.#unread === 1 ? '1 frame' : `${this.#unread} frames`;
    const { kind, word, channel } = this.#last;
    byId('news').textContent = [`${many}, the last one:`, kind, word, channel && `of ${channel}`]
      .filter(Boolean)
      .join(' ');
    this.#unread = 0;
  }
}

function sizeOf(frame) {
  return frame.data?.length ?? 0;
}

function cellsOf(frame) {
  const { kind, word, channel, revision, latency, isReplayed, text, id, at } = frame;
  const name = kind === 'message' ? (word ?? 'message') : [kind, word].filter(Boolean).join(' ');
  const cell = (className, content, title) => element('span', { class: className, ...(title && { title }) }, content);
  return [
    cell('time', timeOf(at)),
    cell('kind', name),
    cell('channel', channel ?? ''),
    cell('revision', revision === undefined ? '' : String(revision)),
    isReplayed
      ? cell('latency replayed', 'replay', 'published before this connection')
      : cell('latency', latencyOf(latency)),
    cell('text', (text ?? '').slice(0, MOST_SHOWN)),
    cell('id', id),
  ];
}

function toggle(row, line) {
  const isOpen = line.getAttribute('aria-expanded') === 'true';
  line.setAttribute('aria-expanded', String(!isOpen));
  if (isOpen) row.querySelector('.detail').remove();
  else row.append(detailOf(row.frame));
}

function detailOf(frame) {
  const raw = element('div', {}, element('h3', {}, 'As EventSource read it'), element('pre', {}, linesOf(frame)));
  const decoded = frame.value ?? { ...(frame.channel && { channel: frame.channel }), text: frame.text };
  const json = element('div', {}, element('h3', {}, 'Decoded'), element('pre', {}, JSON.stringify(decoded, null, 2)));
  return element('div', { class: 'detail' }, raw, json);
}

function timeOf(at) {
  const part = (value, digits = 2) => String(value).padStart(digits, '0');
  return `${part(at.getHours())}:${part(at.getMinutes())}:${part(at.getSeconds())}.${part(at.getMilliseconds(), 3)}`;
}

function latencyOf(milliseconds) {
  if (milliseconds === undefined) return '';
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`;
  return milliseconds < 10_000 ? `${Math.round(milliseconds)} ms` : `${Math.round(milliseconds / 1000)} s`;
}
