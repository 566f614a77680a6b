import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { mask } from './mask.ts';
import { type Dropped, Output } from './output.ts';

export type { Logger };

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
      hooks: { streamWrite: mask },
    },
    stream,
  );
  if (stream instanceof Output) stream.onDropped = (dropped) => sayDropped(logger, dropped);
  return logger;
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
