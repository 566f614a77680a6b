/** How often the tables are drawn (ms), however many changes come. */
const DRAWING = 100;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function textOf(value) {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function compare(one, other) {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return textOf(one).localeCompare(textOf(other), undefined, { numeric: true });
}

/** One collection: its records, and the table that shows them. */
// biome-ignore lint/correctness/noUnusedVariables: page.js uses it, which is put behind this file
class Table {
  constructor(name) {
    this.name = name;
    this.key = undefined;
    this.isLoaded = false;
    this.records = new Map();
    this.rows = new Map();
    this.columns = [];
    this.sort = { column: undefined, isDescending: false };
    this.touched = new Set();
    this.changes = 0;
    this.counter = element('span');
    this.head = element('tr');
    this.body = element('tbody');
    const caption = element('caption', {}, element('strong', {}, name), ' ', this.counter);
    const table = element('table', { id: `table-${name}` }, caption, element('thead', {}, this.head), this.body);
    // What scrolls has to be reached by keyboard, too.
    const scroll = element('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': name }, table);
    document.getElementById('tables').append(scroll);
  }

  clear() {
    this.isLoaded = false;
    this.records.clear();
    this.draw();
  }

  async load() {
    const response = await fetch(`live/${encodeURIComponent(this.name)}`, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`the snapshot was answered ${response.status}`);
    const snapshot = await response.json();
    this.key = snapshot.key;
    this.revision = snapshot.revision;
    this.epoch = snapshot.epoch;
    this.id = BigInt(snapshot.id);
    this.records = new Map(snapshot[this.name].map((record) => [String(record[this.key]), record]));
    this.isLoaded = true;
    this.draw();
  }

  /** Answers whether the page has to start over. */
  apply(id, message) {
    // The snapshot has everything up to its own id.
    if (BigInt(id) <= this.id) return false;
    const isSame = message?.epoch === this.epoch;
    if (isSame && message.revision <= this.revision) return false;
    if (!isSame || message.revision !== this.revision + 1) return true;
    const { create, update, destroy } = message[this.name];
    for (const name of destroy) this.records.delete(String(name));
    for (const record of update) {
      this.records.set(String(record[this.key]), record);
      this.touched.add(String(record[this.key]));
    }
    this.changes += new Set([...create, ...update.map((record) => record[this.key]), ...destroy]).size;
    this.revision = message.revision;
    this.drawSoon();
    return false;
  }

  drawSoon() {
    // A page in the background draws no frames, so it is a timer.
    this.timer ??= setTimeout(() => this.draw(), DRAWING);
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.drawHead();
    for (const [name, row] of this.rows) {
      if (this.records.has(name)) continue;
      row.remove();
      this.rows.delete(name);
    }
    const names = this.sorted();
    let before = this.body.firstElementChild;
    for (const name of names) {
      const row = this.rowOf(name);
      if (row === before) before = before.nextElementSibling;
      else this.body.insertBefore(row, before);
    }
    this.touched.clear();
    const many = `${this.records.size} ${this.records.size === 1 ? 'record' : 'records'}`;
    this.counter.textContent = this.isLoaded ? `${many}, revision ${this.revision}` : 'loading…';
    this.body.dataset.revision = this.isLoaded ? this.revision : '';
    this.body.dataset.epoch = this.isLoaded ? this.epoch : '';
  }

  sorted() {
    const names = [...this.records.keys()];
    const { column, isDescending } = this.sort;
    if (column === undefined) return names;
    const sign = isDescending ? -1 : 1;
    return names.sort((a, b) => sign * compare(this.records.get(a)[column], this.records.get(b)[column]));
  }

  rowOf(name) {
    const known = this.rows.get(name);
    const isTouched = this.touched.has(name);
    const record = this.records.get(name);
    if (known && known.record === record && known.width === this.columns.length) return known;
    const cells = this.columns.map((column) =>
      element(column === this.key ? 'th' : 'td', column === this.key ? { scope: 'row' } : {}, textOf(record[column])),
    );
    const row = known ?? element('tr');
    row.replaceChildren(...cells);
    row.record = record;
    row.width = this.columns.length;
    row.classList.remove('changed');
    if (isTouched) {
      // The animation begins again only if the class was seen to be gone.
      void row.offsetWidth;
      row.classList.add('changed');
    }
    this.rows.set(name, row);
    return row;
  }

  drawHead() {
    const columns = new Set(this.key === undefined ? [] : [this.key]);
    for (const record of this.records.values()) for (const column of Object.keys(record)) columns.add(column);
    if (this.records.size > 0 && columns.size !== this.columns.length) {
      this.columns = [...columns];
      this.head.replaceChildren(...this.columns.map((column) => this.headOf(column)));
    }
    for (const cell of this.head.children) {
      const isSorted = cell.dataset.column === this.sort.column;
      const order = this.sort.isDescending ? 'descending' : 'ascending';
      cell.setAttribute('aria-sort', isSorted ? order : 'none');
    }
  }

  headOf(column) {
    const button = element('button', { type: 'button' }, column);
    button.addEventListener('click', () => {
      const isSame = this.sort.column === column;
      this.sort = { column, isDescending: isSame && !this.sort.isDescending };
      this.draw();
    });
    return element('th', { scope: 'col', 'data-column': column }, button);
  }
}
