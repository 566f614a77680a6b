import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { type Fields, Folding } from './folding.ts';
import { mask } from './mask.ts';
import { type Dropped, Output } from './output.ts';

export type { Logger };

/**
 * Characters that JSON need not escape, and that some readers of a log take for the end of a line, or a terminal for a command: DEL, the
 * controls behind it, the separators of Unicode, and what changes the direction of a text.
 */
const ODD = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** The numbers of pino's levels. What is below `INFO` is for whoever looks for a mistake, and wants each line. */
const INFO = 30;
const FATAL = 60;

export interface LoggerOptions {
  /** Whether events that repeat are folded. */
  folds?: boolean;
  /** The number of the worker, if there are several. */
  worker?: number | undefined;
}

/**
 * Creates a logger that writes JSON lines to standard output: `logger.info({ event: 'listening', port }, 'listening on …')`.
 * Each fact has one event name, and each component its own `logger.child({ component: 'hub' })`.
 */
export function createLogger(
  level: string,
  stream: DestinationStream = new Output(1),
  { folds = false, worker }: LoggerOptions = {},
): Logger {
  const folding = folds ? new Folding() : undefined;
  const logger = pino(
    {
      level,
      base: { pid: process.pid, ...(worker !== undefined && { worker }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        err: describe,
        error: describe,
        payload: measure,
        data: measure,
        body: measure,
      },
      hooks: {
        logMethod(args, method, number) {
          const [fields, ...rest] = args as unknown as [unknown, ...string[]];
          const isFact = number >= INFO && number < FATAL && typeof fields === 'object' && fields !== null;
          const write = (some: unknown): void => Reflect.apply(method, this, [some, ...rest]);
          if (folding && isFact) folding.pass(fields as Fields, write);
          else write(fields);
        },
        streamWrite: (line) => mask(line).replace(ODD, escapeOf),
      },
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

/** Writes that lines were dropped. */
export function sayDropped(logger: Logger, { lines, since, reason }: Dropped): void {
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
