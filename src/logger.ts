import { type DestinationStream, destination, type Logger, pino, stdSerializers } from 'pino';

export type { Logger };

/** In the finished line, so that depth and key do not matter. */
const SECRET_VALUES = /"((?:[\w-]*(?:token|secret|password|authorization|cookie)))":"(?:[^"\\]|\\.)*"/gi;
const QUERY_TOKENS = /([?&](?:access_)?(?:token|ticket|secret)=)[^&"\s\\]*/gi;
const URL_PASSWORDS = /((?:rediss?|redis\+sentinel|https?):\/\/)[^@/"\s\\]*@/gi;
const BEARERS = /\b(Bearer )[\w.~+/=-]+/gi;

/**
 * JSON lines on standard output: `logger.info({ event: 'listening', port }, 'listening on …')`.
 * One event name per fact; `logger.child({ component: 'hub' })` for each component.
 */
export function createLogger(level: string, stream: DestinationStream = standardOutput()): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        err: stdSerializers.err,
        error: stdSerializers.err,
        payload: measure,
        data: measure,
        body: measure,
      },
      hooks: { streamWrite: redact },
    },
    stream,
  );
}

/** Asynchronous: a terminal or a pipe that nobody reads must not stop the streams. It is flushed on exit. */
function standardOutput(): DestinationStream {
  return destination({ dest: 1, sync: false, maxLength: 4 * 1024 * 1024 });
}

/** What people say to each other is nothing for a log, at any level: its size is. */
function measure(value: unknown): unknown {
  if (typeof value === 'string') return { bytes: Buffer.byteLength(value) };
  return ArrayBuffer.isView(value) ? { bytes: value.byteLength } : typeof value;
}

function redact(line: string): string {
  return line
    .replace(SECRET_VALUES, '"$1":"***"')
    .replace(QUERY_TOKENS, '$1***')
    .replace(URL_PASSWORDS, '$1***@')
    .replace(BEARERS, '$1***');
}
