import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Finding, type Level, type Mends, mendOf } from './finding.ts';
import type { Publisher } from './publisher.ts';
import { reasonOf } from './reason.ts';
import { WatchedStream } from './watched-stream.ts';

/** What comes later than this (ms) is held back on its way. */
const SOON = 3000;
const UNBUFFERED = 'proxy_buffering off; (nginx), no compression of text/event-stream, no cache';

export interface ProxyOptions {
  /** The address of the proxy, as browsers have it. */
  proxy: string;
  /** The user whose own channel gets a message. */
  user: string;
  credential: string | undefined;
  /** `undefined`: nothing can be published from here. */
  publisher: Pick<Publisher, 'publish'> | undefined;
  /** How often a silent stream says something (ms). */
  noopInterval: number;
  /** Called before what takes longer than a second. */
  onStep: (what: string) => void;
}

/** Opens a stream through a proxy, and looks whether frames come through at once, and whether silence is allowed. */
export async function examineProxy(options: ProxyOptions): Promise<Finding[]> {
  const { proxy, user, credential } = options;
  const query = new URLSearchParams({ ...(credential === undefined && { user }), format: 'json' });
  const stream = new WatchedStream(`${proxy}/stream?${query}`, credential);
  const began = performance.now();
  try {
    const head = await stream.open(SOON);
    const version = await versionOf(proxy);
    if (!head) return [version, HELD_BACK];
    const problem = ofHead(head);
    if (problem) return [version, problem];
    if ((await stream.waitFor(/\n\n/, SOON)) === undefined) return [version, HELD_BACK, ...ofEncoding(head)];
    const findings = [
      version,
      finding('ok', `the first frame came after ${Math.round(performance.now() - began)} ms`),
      ...ofEncoding(head),
    ];
    if (!stream.text.includes('"status":"ok"')) return [...findings, ofRefusal(stream.text)];
    return [...findings, await ofMessage(stream, options), await ofSilence(stream, options), ...(await ofPaths(proxy))];
  } catch (error) {
    const reason = reasonOf(error);
    return [finding('bad', `${proxy} cannot be reached: ${reason}`, mendOf(UNREACHED, reason))];
  } finally {
    stream.close();
  }
}

/** What mends a connection that cannot be made, by a pattern of the error. */
const UNREACHED: Mends = [
  [/altnames/, 'the address of --proxy with the name that is in its certificate'],
  [/expired|not yet valid/i, 'another certificate in the proxy, and the right time on this machine'],
  [/certificate|issuer/i, 'NODE_EXTRA_CA_CERTS=<the CA in PEM>, if browsers trust it'],
  [/ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH/, 'start the proxy, or name another address with --proxy'],
  [/ENOTFOUND|EAI_AGAIN/, 'a name with --proxy that is known here'],
];

const HELD_BACK = finding('bad', 'the first frame is held back', UNBUFFERED);

function finding(level: Level, text: string, mend?: string): Finding {
  return { area: 'proxy', level, text, mend };
}

function ofHead({ status, headers }: Response): Finding | undefined {
  const type = headers.get('Content-Type') ?? 'no content type';
  if (status === 200 && type.startsWith('text/event-stream')) return undefined;
  const text = `a stream is answered ${status}, ${type}: expected 200, text/event-stream; an EventSource that sees this never comes back`;
  if ([500, 502, 503, 504].includes(status)) {
    return finding(
      'bad',
      text,
      'a gateway behind the proxy; and error_page 500 502 503 504 =200 … (nginx), as in deploy/nginx.conf',
    );
  }
  return finding(
    'bad',
    text,
    'location = /stream { proxy_pass … } (nginx), and --proxy without a path: /stream is added to it',
  );
}

function ofEncoding({ headers }: Response): Finding[] {
  const encoding = headers.get('Content-Encoding');
  if (encoding === null) return [];
  return [
    finding(
      'weak',
      `the proxy compresses streams (${encoding}), which holds frames back`,
      'gzip_types without text/event-stream (nginx)',
    ),
  ];
}

function ofRefusal(text: string): Finding {
  const [, said = text.slice(0, 200)] = /^data: ?(.*)$/m.exec(text) ?? [];
  return finding(
    'bad',
    `the gateway refuses the stream: ${said}`,
    'SISYPHUS_ACCESS_TOKEN=<a credential that opens a stream>',
  );
}

async function ofMessage(stream: WatchedStream, { publisher, user }: ProxyOptions): Promise<Finding> {
  if (!publisher) {
    return finding('note', 'no message was tried', 'REDIS_URL=…, or SISYPHUS_PUBLISH_SECRET=… with SISYPHUS_URL=…');
  }
  const token = `doctor ${randomUUID()}`;
  const published = performance.now();
  await publisher.publish({ channel: `user:${user}`, data: Buffer.from(token) });
  const came = await stream.waitFor(new RegExp(token), SOON);
  if (came !== undefined) return finding('ok', `a message came after ${Math.round(performance.now() - published)} ms`);
  return finding(
    'bad',
    `a message to user:${user} did not come within ${SOON / 1000} s: frames are held back, or the stream is another user's`,
    UNBUFFERED,
  );
}

/** A stream that is silent for longer than the proxy allows is cut in the middle. */
async function ofSilence(stream: WatchedStream, { noopInterval, onStep }: ProxyOptions): Promise<Finding> {
  onStep(`waiting up to ${Math.ceil((noopInterval * 1.5) / 1000)} s for the next sign of life of a silent stream`);
  const began = performance.now();
  const came = await stream.waitFor(/"noop"/, noopInterval * 1.5 + SOON);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (came !== undefined) return finding('ok', `a silent stream stays open: a noop came after ${seconds} s`);
  const mend = `an idle time-out above ${Math.ceil((2 * noopInterval) / 1000)}s (proxy_read_timeout, timeout server), or a lower SISYPHUS_NOOP_INTERVAL`;
  if (stream.hasEnded) return finding('bad', `a silent stream was cut after ${seconds} s`, mend);
  return finding(
    'bad',
    `nothing came for ${seconds} s: frames are held back, or SISYPHUS_NOOP_INTERVAL is longer at the gateway`,
    UNBUFFERED,
  );
}

/** What is for operators alone must not be public. */
async function ofPaths(proxy: string): Promise<Finding[]> {
  const response = await fetch(`${proxy}/status`, { redirect: 'manual', signal: AbortSignal.timeout(SOON) });
  const text = await response.text();
  if (response.status !== 200 || !text.includes('"streams":')) return [finding('ok', '/status is not public')];
  return [
    finding(
      'weak',
      'the proxy passes /status on to anybody',
      'location = /status { return 404; } (nginx); so for /healthz and /readyz',
    ),
  ];
}

/** The version of HTTP that a browser gets: over HTTP/1.1 it opens at most six connections to a host, over all tabs. */
async function versionOf(proxy: string): Promise<Finding> {
  const { protocol, hostname, port } = new URL(proxy);
  const isTwo = protocol === 'https:' && (await offersTwo(hostname, Number(port || 443)));
  if (isTwo) return finding('ok', 'browsers get HTTP/2');
  return finding(
    'note',
    'browsers get HTTP/1.1, with six connections to a host over all tabs',
    'listen 443 ssl; http2 on; (nginx)',
  );
}

function offersTwo(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Which versions are offered is asked for, and nothing is sent; the stream itself was opened with a verified certificate.
    const socket = connectTls({
      host,
      port,
      // An address is no name for TLS (RFC 6066).
      ...(isIP(host) === 0 && { servername: host }),
      ALPNProtocols: ['h2', 'http/1.1'],
      rejectUnauthorized: false,
    });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('secureConnect', () => end(socket.alpnProtocol === 'h2'));
    socket.once('error', () => end(false));
    socket.setTimeout(SOON, () => end(false));
  });
}
