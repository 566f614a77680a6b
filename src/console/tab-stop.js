/**
 * One row of a list is in the order of the tab key, and the arrows go from row to row. If it is hidden or goes, the nearest one that is seen
 * takes its place, and the focus.
 */
export class TabStop {
  #list;
  #elsewhere;

  /** @param elsewhere where the focus goes if no row is seen any more */
  constructor(list, elsewhere) {
    this.#list = list;
    this.#elsewhere = elsewhere;
    list.addEventListener('keydown', (event) => this.#move(event));
    list.addEventListener('focusin', ({ target }) => this.#set(target.closest('li').querySelector('.line')));
  }

  /** @param change adds rows, hides or removes them */
  during(change) {
    const rows = [...this.#list.children];
    const stop = this.#list.querySelector('.line[tabindex="0"]');
    const hasFocus = this.#list.contains(document.activeElement);
    change();
    if (stop && isReached(stop.parentElement)) return;
    const seen = [...this.#list.children].filter(isReached);
    // Rows go at the end, so the last one is the nearest if all that were there have gone.
    const next = stop ? (nearestTo(rows.indexOf(stop.parentElement), rows) ?? seen.at(-1)) : seen[0];
    const line = next?.querySelector('.line');
    this.#set(line);
    if (hasFocus) (line ?? this.#elsewhere).focus();
  }

  #set(line) {
    for (const one of this.#list.querySelectorAll('.line[tabindex="0"]')) one.setAttribute('tabindex', '-1');
    line?.setAttribute('tabindex', '0');
  }

  #move(event) {
    const lines = [...this.#list.children].filter(isReached).map((row) => row.querySelector('.line'));
    const at = lines.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (at < 0 || next === undefined || !lines[next]) return;
    event.preventDefault();
    lines[next].focus();
  }
}

/** Notes of the page itself have no line that could be opened. */
function isReached(row) {
  return row.isConnected && !row.hidden && row.querySelector('.line') !== null;
}

function nearestTo(at, rows) {
  for (let i = 1; i < rows.length; i++) {
    const near = [rows[at + i], rows[at - i]].find((row) => row && isReached(row));
    if (near) return near;
  }
  return undefined;
}
