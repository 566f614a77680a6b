import { element, svgElement } from './dom.js';

/** How many points a line has: two minutes, one a second. */
const POINTS = 120;
const [WIDTH, HEIGHT] = [240, 44];

/** A figure with its name and a note, and a line of the last two minutes for each of its series. */
export class Tile {
  #value = element('strong', {}, '–');
  #note = element('span', { class: 'hint' });
  #series;

  /** @param names the name of each line */
  constructor(parent, title, names) {
    const chart = svgElement('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
    });
    this.#series = names.map((name, at) => {
      const line = svgElement('polyline', { class: `line-${at}` });
      const area = svgElement('polygon', { class: `area-${at}` });
      chart.append(area, line);
      return { name, line, area, values: [] };
    });
    const legend = names.length < 2 ? [] : names.map((name, at) => element('span', { class: `key key-${at}` }, name));
    const head = element('h2', {}, title, ...legend);
    parent.append(element('div', { class: 'card tile' }, head, element('p', {}, this.#value, ' ', this.#note), chart));
  }

  /** @param values the newest value of each line; `undefined` if it is not known */
  add(text, note, ...values) {
    this.#value.textContent = text;
    this.#note.textContent = note;
    for (const [at, series] of this.#series.entries()) {
      series.values.push(values[at] ?? 0);
      if (series.values.length > POINTS) series.values.shift();
    }
    const most = Math.max(1e-9, ...this.#series.flatMap((series) => series.values)) * 1.1;
    for (const { values: all, line, area } of this.#series) {
      const x = (at) => WIDTH - ((all.length - 1 - at) * WIDTH) / (POINTS - 1);
      const points = all.map(
        (value, at) => `${x(at).toFixed(1)},${(HEIGHT - (value / most) * (HEIGHT - 2) - 1).toFixed(1)}`,
      );
      line.setAttribute('points', points.join(' '));
      area.setAttribute('points', `${x(0).toFixed(1)},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`);
    }
  }
}
