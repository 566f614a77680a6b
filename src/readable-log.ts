/** The colours of the levels, as terminals number them. */
const COLORS: Record<string, number> = { trace: 90, debug: 90, info: 32, warn: 33, error: 31, fatal: 35 };
/** What each line has, or what is written elsewhere in it. */
const PLACED = new Set(['level', 'time', 'event', 'msg', 'pid', 'component', 'err']);
/** What would end a line, or steer a terminal, once it is no longer escaped as in JSON. */
const CONTROLS = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

interface Target {
  write(text: string): unknown;
}

/** Writes a log of JSON lines for people: `04:54:00.123 WARN  redis_away  reason="…"`. Lines that are no JSON pass as they are. */
export class ReadableLog {
  readonly #to: Target;
  readonly #isColored: boolean;

  constructor(to: Target, isColored: boolean) {
    this.#to = to;
    this.#isColored = isColored;
  }

  /** @param text whole lines */
  write(text: string): void {
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    this.#to.write(lines.map((line) => `${this.#readable(line)}\n`).join(''));
  }

  #readable(line: string): string {
    const fields = parse(line);
    if (!fields) return line;
    const { level = '', time = '', event = '', msg, component, pid, err } = fields;
    const word = String(level).toUpperCase().padEnd(5);
    const others = Object.entries(fields).filter(([name]) => !PLACED.has(name));
    const parts = [
      this.#paint(90, String(time).slice(11, 23)),
      this.#paint(COLORS[String(level)] ?? 0, word),
      this.#paint(1, String(event)),
      ...(msg === undefined ? [] : [shown(msg)]),
      ...others.map(([name, value]) => `${this.#paint(36, `${name}=`)}${quoted(value)}`),
      this.#paint(90, `${component === undefined ? '' : `${String(component)} `}${String(pid)}`),
    ];
    return parts.join(' ') + stackOf(err);
  }

  #paint(color: number, text: string): string {
    return this.#isColored ? `\x1b[${color}m${text}\x1b[0m` : text;
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{"level":')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // A line that was cut off is shown as it is.
    return undefined;
  }
}

/** A value without quotes if it has no spaces in it. */
function quoted(value: unknown): string {
  return typeof value === 'string' && /^[\w:./@+-]+$/.test(value) ? value : shown(JSON.stringify(value));
}

/** The stack of an error, each line further in. */
function stackOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { message, stack } = error as { message?: unknown; stack?: unknown };
  const lines = String(stack ?? message ?? '').split('\n');
  return lines.map((line) => `\n    ${shown(line.trim())}`).join('');
}

function shown(value: unknown): string {
  return String(value).replace(CONTROLS, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
