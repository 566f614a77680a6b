import { connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of the bytes of one direction: on they go; they wait in the kernel; they are read and thrown away. */
export type FlowMode = 'pass' | 'hold' | 'swallow';

/** One direction of a link. */
export class Flow {
  /** Bytes handed on so far. */
  passed = 0;
  mode: FlowMode = 'pass';
  /** Shown what comes, before it is handed on: what a connection is for is told by its first bytes. */
  onBytes: ((bytes: Buffer) => void) | undefined;
  #cutAt = Number.POSITIVE_INFINITY;
  #rate: { bytes: number; everyMs: number } | undefined;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #waiting: Buffer[] = [];
  #from: Socket;
  #to: Socket;
  #cut: () => void;

  constructor(from: Socket, to: Socket, cut: () => void) {
    this.#from = from;
    this.#to = to;
    this.#cut = cut;
    from.on('data', (bytes) => this.afterDelay(() => this.#take(bytes)));
    to.on('drain', () => this.#flow());
  }

  /** Cuts the link when this many more bytes have passed: the next one is never handed on. */
  cutAfter(bytes: number): void {
    this.#cutAt = this.passed + bytes;
    if (bytes === 0) this.#cut();
  }

  /** Stops reading: what is sent fills the kernel's buffers, and then its sender has to wait. */
  hold(): void {
    this.mode = 'hold';
    this.#from.pause();
  }

  /** Reads, and hands nothing on: a peer whose bytes are lost, whatever it believes. */
  swallow(): void {
    this.mode = 'swallow';
    this.#waiting = [];
    this.#from.resume();
  }

  pass(): void {
    this.mode = 'pass';
    this.#flow();
  }

  /** No more than so many bytes in so many milliseconds. */
  throttle(bytes: number, everyMs: number): void {
    this.#rate = { bytes, everyMs };
  }

  /** Everything that comes from now on arrives this much later: a long way. To be set once, or what comes later overtakes. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Acts when what has come before has had its time to pass. */
  afterDelay(act: () => void): void {
    // Timers of one duration fire in their order.
    if (this.#delayMs > 0) setTimeout(act, this.#delayMs);
    else act();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  get isSilent(): boolean {
    return this.mode !== 'pass';
  }

  #take(bytes: Buffer): void {
    this.onBytes?.(bytes);
    if (this.mode === 'swallow') return;
    this.#waiting.push(bytes);
    this.#flow();
  }

  #flow(): void {
    if (this.mode !== 'pass' || this.#timer !== undefined) return;
    while (this.#waiting.length > 0 && !this.#to.writableNeedDrain) {
      if (!this.#hand(this.#rate?.bytes ?? Number.POSITIVE_INFINITY)) return;
      if (this.#rate) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#flow();
        }, this.#rate.everyMs);
        break;
      }
    }
    if (this.#waiting.length > 0) this.#from.pause();
    else this.#from.resume();
  }

  /** Hands on at most `most` bytes of what came first; `false` where that cut the link. */
  #hand(most: number): boolean {
    const bytes = this.#waiting.shift()!;
    const length = Math.min(bytes.length, most, this.#cutAt - this.passed);
    if (length < bytes.length) this.#waiting.unshift(bytes.subarray(length));
    this.passed += length;
    const cutting = this.passed >= this.#cutAt;
    // The last bytes have to be on their way before the link is cut: a reset overtakes what was not sent.
    this.#to.write(bytes.subarray(0, length), cutting ? this.#cut : undefined);
    if (cutting) this.mode = 'swallow';
    return !cutting;
  }
}

/** One connection through the relay. */
export class Link {
  /** From the client to the server. */
  readonly up: Flow;
  /** From the server to the client. */
  readonly down: Flow;
  closed = false;
  #client: Socket;
  #server: Socket;

  constructor(client: Socket, server: Socket) {
    this.#client = client;
    this.#server = server;
    this.up = new Flow(client, server, () => this.cut());
    this.down = new Flow(server, client, () => this.cut());
    this.#follow(client, this.up, server);
    this.#follow(server, this.down, client);
  }

  /** The relay's own port towards the server: what the server's list of clients shows. */
  get port(): number | undefined {
    return this.#server.localPort;
  }

  /** Ends both connections at once: as if each side had ended, or with a reset. */
  cut(how: 'reset' | 'end' = 'end'): void {
    if (this.closed) return;
    this.closed = true;
    this.up.stop();
    this.down.stop();
    for (const socket of [this.#client, this.#server]) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  /** Half-open: both sides stay connected, and neither hears anything more of the other, not even its end. */
  silence(): void {
    this.up.swallow();
    this.down.swallow();
  }

  #follow(socket: Socket, flow: Flow, other: Socket): void {
    socket.on('error', () => {}); // `close` follows
    const unlessSilent = (act: () => void): void => flow.afterDelay(() => flow.isSilent || act());
    socket.on('end', () => unlessSilent(() => other.end()));
    socket.on('close', () => unlessSilent(() => this.cut()));
  }
}

export interface RelayOptions {
  targetPort: number;
  targetHost?: string;
  /** Called before the first byte passes, so that a fate can be laid on a link from its start. */
  onLink?: (link: Link) => void;
}

/** A TCP relay on a free loopback port that does to its links what networks do. */
export class Relay {
  readonly links = new Set<Link>();
  /** How many links there have been. */
  accepted = 0;
  /** While set, new connections are ended at once. */
  refusing = false;
  /** While set, new connections are accepted and nothing passes. */
  silent = false;
  port = 0;
  #server: Server;
  #options: RelayOptions;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
  }

  /** To another server from now on; what is open stays where it is. */
  retarget(port: number): void {
    this.#options = { ...this.#options, targetPort: port };
  }

  cutAll(how: 'reset' | 'end' = 'end'): void {
    for (const link of [...this.links]) link.cut(how);
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    this.accepted++;
    if (this.refusing) {
      client.on('error', () => {}); // it is gone either way
      client.resetAndDestroy();
      return;
    }
    const { targetPort: port, targetHost: host = '127.0.0.1', onLink } = this.#options;
    const server = connect({ port, host, allowHalfOpen: true, noDelay: true });
    const link = new Link(client, server);
    this.links.add(link);
    const forget = (): void => {
      if (client.destroyed && server.destroyed) this.links.delete(link);
    };
    client.on('close', forget);
    server.on('close', forget);
    if (this.silent) link.silence();
    onLink?.(link);
  }
}

export async function startRelay(options: RelayOptions): Promise<Relay> {
  const relay = new Relay(options);
  await relay.start();
  return relay;
}
