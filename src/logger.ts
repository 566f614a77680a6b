import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { mask } from './mask.ts';
import { type Dropped, Output } from './output.ts';

export type { Logger };

/**
 * JSON lines on standard output: `logger.info({ event: 'listening', port }, 'listening on …')`.
 * One event name per fact; `logger.child({ component: 'hub' })` for each component.
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

/** Nothing else of an error: the driver's errors carry the command that failed, with passwords and messages in it. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  return { type, message, code: (error as NodeJS.ErrnoException).code, stack };
}

/** What people say to each other is nothing for a log, at any level: its size is. */
function measure(value: unknown): unknown {
  if (typeof value === 'string') return { bytes: Buffer.byteLength(value) };
  return ArrayBuffer.isView(value) ? { bytes: value.byteLength } : typeof value;
}
