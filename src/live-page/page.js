(() => {
  /** `collections`: the names; `silence`: after so long (ms) without a frame the stream is taken for dead. */
  const { collections, silence } = JSON.parse(document.getElementById('settings').textContent);
  /** How often the tables are drawn (ms), however many changes come. */
  const DRAWING = 100;
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
})();
