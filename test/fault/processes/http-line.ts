import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { now } from '../clock.ts';
import { AnswerLost, RedisRefusal, type Reply } from './redis-line.ts';

interface Answer {
  status: number;
  body: string;
}

/** Statuses after which the same request may succeed, or may even have succeeded: asked again, with the same key. */
const AGAIN = new Set([429, 500, 502, 503, 504]);
const ATTEMPT_TIMEOUT = 5000;

/** Publishes over HTTP as a careful application does: with an `Idempotency-Key`, again and elsewhere until it is answered. */
export class HttpLine {
  ports: number[];
  /** When to stop asking. */
  giveUpAt = Number.POSITIVE_INFINITY;
  readonly #secret: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(ports: number[], secret: string) {
    this.ports = ports;
    this.#secret = secret;
  }

  /** @throws RedisRefusal where it was refused for good, AnswerLost where nobody ever answered. */
  async post(path: string, body: object): Promise<Reply> {
    const key = randomUUID();
    for (let attempt = 0; now() < this.giveUpAt; attempt++) {
      const answer = await this.#attempt(path, JSON.stringify(body), key);
      if (answer?.status === 200) return [(JSON.parse(answer.body) as { id: string }).id];
      if (answer && !AGAIN.has(answer.status))
        throw new RedisRefusal(`${path} answered ${answer.status}: ${answer.body}`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(50 * 2 ** attempt, 500)));
    }
    throw new AnswerLost(`${path} was not answered`);
  }

  #attempt(path: string, body: string, key: string): Promise<Answer | undefined> {
    const port = this.ports[Math.floor(Math.random() * this.ports.length)];
    return new Promise((resolve) => {
      const headers = {
        Authorization: `Bearer ${this.#secret}`,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'Idempotency-Key': key,
      };
      const options = {
        host: '127.0.0.1',
        port,
        path,
        method: 'POST',
        headers,
        agent: this.#agent,
        timeout: ATTEMPT_TIMEOUT,
      };
      const call = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on('error', () => resolve(undefined));
      });
      call.on('timeout', () => call.destroy());
      call.on('error', () => resolve(undefined));
      call.end(body);
    });
  }
}
