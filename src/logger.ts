import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { mask } from './mask.ts';
import { type Dropped, Output } from './output.ts';

export type { Logger };

/**
 * Characters that JSON need not escape, and that some readers of a log take for the end of a line, or a terminal for a command: DEL, the
 * controls behind it, the separators of Unicode, and what changes the direction of a text.
 */
const ODD = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Creates a logger that writes JSON lines to standard output: `logger.info({ event: 'listening', port }, 'listening on …')`.
 * Each fact has one event name, and each component its own `logger.child({ component: 'hub' })`.
 */
export function createLogger(level: string, stream: DestinationStream = new Output(1)): Logger {
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        err: describe,
        error: describe,
        payload: measure,
        data: measure,
        body: measure,
      },
      hooks: { streamWrite: (line) => mask(line).replace(ODD, escapeOf) },
    },
    stream,
  );
  if (stream instanceof Output) stream.onDropped = (dropped) => sayDropped(logger, dropped);
  return logger;
}

/** The escape that stands for the character in a string of JSON. */
function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function sayDropped(logger: Logger, { lines, since, reason }: Dropped): void {
  const first = new Date(since).toISOString();
  logger.error({ event: 'log_dropped', lines, since: first, reason }, `${lines} lines of this log were dropped`);
}

/** Keeps only these fields of an error: the driver's errors have the failed command, with passwords and messages in it. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  return { type, message, code: (error as NodeJS.ErrnoException).code, stack };
}

/** Replaces the content of a message by its size: content is not logged at any level. */
function measure(value: unknown): unknown {
  if (typeof value === 'string') return { bytes: Buffer.byteLength(value) };
  return ArrayBuffer.isView(value) ? { bytes: value.byteLength } : typeof value;
}
