import { get, type IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';

/** How long until a reader comes back if nothing has told it when (ms), and if a frame has: the test does not wait for so long. */
const AGAIN = 100;
const LONGEST = 500;

/**
 * Reads as an `EventSource` does (HTML, 9.2.3): comes back with the last id when the connection ends or cannot be made, and gives up for
 * good after any status but 200.
 */
export class ReturningReader {
  readonly messages: string[] = [];
  /** The statuses for which it has given up: none or one. */
  readonly refusals: number[] = [];
  /** How often it had to come back. */
  returns = 0;
  /** How often `ok` has come. */
  oks = 0;
  /** How often a frame has said `error`. */
  errors = 0;
  readonly #port: () => number;
  readonly #path: string;
  #lastEventId: string | undefined;
  #retry = AGAIN;
  #isClosed = false;
  #response: IncomingMessage | undefined;

  /** @param port where it connects, asked anew each time: as a balancer would send it */
  constructor(port: number | (() => number), path: string) {
    this.#port = typeof port === 'number' ? () => port : port;
    this.#path = path;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    this.#response?.destroy();
  }

  #open(): void {
    if (this.#isClosed) return;
    const id = this.#lastEventId;
    const headers = { Accept: 'text/event-stream', ...(id !== undefined && { 'Last-Event-ID': id }) };
    const options = { host: '127.0.0.1', port: this.#port(), path: this.#path, headers, agent: false };
    get(options, (response) => this.#read(response)).on('error', () => this.#comeBack());
  }

  #read(response: IncomingMessage): void {
    this.#response = response;
    if (response.statusCode !== 200) {
      this.refusals.push(response.statusCode!);
      this.close();
      return;
    }
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (id !== undefined) this.#lastEventId = id;
        if (data.includes('<status>ok<')) this.oks++;
        else if (data.includes('<status>error<')) this.errors++;
        else if (event === undefined && data !== 'noop') this.messages.push(data);
        else if (event !== undefined) this.messages.push(`${event}: ${data}`);
      },
      onRetry: (milliseconds) => {
        this.#retry = Math.min(milliseconds / 10, LONGEST);
      },
    });
    response.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
    response.on('error', () => {}).on('close', () => this.#comeBack());
  }

  #comeBack(): void {
    if (this.#isClosed) return;
    this.returns++;
    setTimeout(() => this.#open(), this.#retry);
  }
}
