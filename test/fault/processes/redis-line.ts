import { connect, type Socket } from 'node:net';

export type Reply = string | number | null | Reply[];

/** Redis said no: the command was not executed. */
export class RedisRefusal extends Error {}

/** The connection ended before the answer came: executed or not, nobody knows. */
export class AnswerLost extends Error {}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/**
 * A Redis connection that hides nothing: commands go out in the order of the calls, nothing is sent twice, and whoever
 * waits when the connection ends is told that the answer is lost. RESP2, as much of it as publishing needs.
 */
export class RedisLine {
  /** Counts connections: what two commands have in common when their order is certain. */
  connection = 0;
  isOpen = false;
  readonly #port: () => number;
  #socket: Socket | undefined;
  #waiting: Waiting[] = [];
  #pending = Buffer.alloc(0);
  #ended = false;

  constructor(port: () => number) {
    this.#port = port;
    this.#connect();
  }

  /** @throws AnswerLost at once where there is no connection: nothing was sent then. */
  call(...words: string[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen || !this.#socket) {
        reject(new RedisRefusal('not connected'));
        return;
      }
      this.#waiting.push({ resolve, reject });
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      this.#socket.write(`*${words.length}\r\n${parts.join('')}`);
    });
  }

  /** Puts the calls made by `act` into one packet, so that nothing of others gets between them in time. */
  together(act: () => void): void {
    this.#socket?.cork();
    act();
    this.#socket?.uncork();
  }

  end(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#ended) return;
    const socket = connect({ port: this.#port(), host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => {
      this.connection++;
      this.isOpen = true;
      this.#pending = Buffer.alloc(0);
    });
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      this.isOpen = false;
      for (const { reject } of this.#waiting.splice(0)) reject(new AnswerLost('the connection ended'));
      setTimeout(() => this.#connect(), 20);
    });
  }

  #read(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    let at = 0;
    for (;;) {
      const parsed = parseReply(this.#pending, at);
      if (!parsed) break;
      at = parsed.end;
      const waiting = this.#waiting.shift();
      if (parsed.reply instanceof RedisRefusal) waiting?.reject(parsed.reply);
      else waiting?.resolve(parsed.reply);
    }
    this.#pending = this.#pending.subarray(at);
  }
}

interface Parsed {
  reply: Reply | RedisRefusal;
  end: number;
}

function parseReply(bytes: Buffer, at: number): Parsed | undefined {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: new RedisRefusal(line), end };
    case ':':
      return { reply: Number(line), end };
    case '$':
      return parseBulk(bytes, Number(line), end);
    case '*':
      return parseArray(bytes, Number(line), end);
    default:
      throw new Error(`not RESP2: ${JSON.stringify(bytes.toString('latin1', at, at + 40))}`);
  }
}

function parseBulk(bytes: Buffer, length: number, at: number): Parsed | undefined {
  if (length < 0) return { reply: null, end: at };
  if (bytes.length < at + length + 2) return undefined;
  return { reply: bytes.toString('utf8', at, at + length), end: at + length + 2 };
}

function parseArray(bytes: Buffer, count: number, at: number): Parsed | undefined {
  const replies: Reply[] = [];
  let end = at;
  for (let i = 0; i < count; i++) {
    const parsed = parseReply(bytes, end);
    if (!parsed) return undefined;
    replies.push(parsed.reply instanceof RedisRefusal ? parsed.reply.message : parsed.reply);
    end = parsed.end;
  }
  return { reply: replies, end };
}
