import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { isChannel } from '../message/names.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import {
  type Count,
  FencedError,
  type LeaseAnswer,
  type Place,
  type PlainListener,
  type PlainMessage,
  type PlainSource,
} from './plain-source.ts';

/** The lease runs out after this (ms); a standby that asks every `TURN` has it 1.2 s after the owner died. */
const LEASE = 900;
const TURN = 250;
/** A gateway that is not needed looks again this often. */
const SPARE_TURN = 1000;
/** How often the connection is proven alive, and the place on it. */
const ANCHOR = 700;
/** How long others that may have heard more are waited for. */
const FORCE_AFTER = 2000;
/** How long the end of a period may take (ms); what could not be recorded by then is announced as a gap. */
const RETIRE = 5000;
/** One script call: about 5 ms of Redis's time. */
const BATCH_MESSAGES = 256;
const BATCH_BYTES = 1024 * 1024;
/** Heard, and not known to be recorded; beyond it this gateway begins anew. */
const MAX_QUEUE = 200_000;
/** What Redis and other plain channels say to themselves. */
const NOT_PLAIN = /^__(sentinel|redis)__:/;

/**
 * Turns plain PUBLISHes into recorded messages, exactly once, whatever the number of gateways.
 *
 * `deaf` (no connection, or no anchor heard on it yet) → `listening` (a standby: it queues what it hears and forgets what
 * is recorded) → `leading` (it has the lease and records its queue). `spare`: two others stand by already. A lost
 * connection leads to `deaf` from everywhere: a queue is never trusted across a hole, so the name of the period of
 * listening ends with it, and with the name the right to record.
 *
 * Invariant: while listening or leading, the queue is every plain PUBLISH heard since `#from` whose place is behind the
 * last one known to be recorded, in Redis's order. The script records a place only for the owner of the lease and only
 * once, so neither a stalled owner nor a repeated batch can double or reorder.
 */
export class Recorder implements PlainListener {
  readonly counters = { recorded: 0, fenced: 0, changes: 0 };
  readonly #source: PlainSource;
  readonly #logger: Logger;
  #state: 'deaf' | 'listening' | 'leading' | 'spare' = 'deaf';
  #name = '';
  #from: Position | undefined;
  #place: Place = { id: BEGINNING, number: 0 };
  #queue: PlainMessage[] = [];
  #recording: Promise<void> | undefined;
  /** Ends the period before: what it has heard is recorded, and the lease given back. */
  #retired: Promise<void> = Promise.resolve();
  /** The count at the last anchor, and those heard since. */
  #count: Count = { life: '', number: 0 };
  #fromCount = this.#count;
  #past: 'fresh' | 'again' | 'dropped' = 'fresh';
  #uncoveredSince: number | undefined;
  #timers: NodeJS.Timeout[] = [];
  #stopped = false;
  /** Has the lease, and has not heard yet all that was recorded before. */
  #elected = false;
  #known = false;

  constructor(source: PlainSource, logger: Logger) {
    this.#source = source;
    this.#logger = logger;
  }

  get role(): 'unknown' | 'leader' | 'standby' | 'spare' {
    if (!this.#known) return 'unknown';
    return this.#state === 'leading' ? 'leader' : this.#state === 'spare' ? 'spare' : 'standby';
  }

  start(): void {
    this.#source.start(this);
    this.#repeat(TURN, () => this.#turn());
    this.#repeat(ANCHOR, async () => {
      if (this.#from !== undefined) await this.#source.anchor(this.#name);
    });
  }

  /** Records what is queued and gives the lease back. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#retire();
    await this.#source.close();
  }

  up(): void {
    void this.#retired.then(() => this.#listen());
  }

  down(): void {
    this.#logger.warn({ event: 'recorder_deaf', role: this.role });
    this.#retired = this.#retire();
  }

  plain(channel: string, payload: Buffer): void {
    this.#count = { life: this.#count.life, number: this.#count.number + 1 };
    if (this.#from === undefined || !isChannel(channel) || NOT_PLAIN.test(channel)) return;
    this.#place = { id: this.#place.id, number: this.#place.number + 1 };
    this.#queue.push({ ...this.#place, count: this.#count, channel, payload });
    if (this.#state === 'leading') this.#record();
    else if (this.#queue.length > MAX_QUEUE) this.#beginAnew();
  }

  recorded(id: Position, place: Place | undefined): void {
    this.#place = { id, number: 0 };
    // What the owner has sent is taken off when it is answered.
    if (place && this.#state !== 'leading') this.#forget(place);
  }

  anchored(id: Position, name: string, count: Count): void {
    this.#place = { id, number: 0 };
    this.#count = count;
    if (name !== this.#name) return;
    if (this.#from !== undefined) {
      if (this.#elected) this.#lead();
      return;
    }
    this.#from = id;
    this.#fromCount = count;
    this.#state = 'listening';
    this.#turnNow();
  }

  released(): void {
    if (this.#state === 'listening') this.#turnNow();
  }

  async #listen(): Promise<void> {
    if (this.#stopped) return;
    this.#name = randomUUID();
    const name = this.#name;
    try {
      const { role } = await this.#lease('ask');
      this.#known = true;
      if (role === 'spare') {
        this.#state = 'spare';
        return;
      }
      this.#state = 'deaf';
      await this.#source.listen();
      await this.#source.anchor(name);
    } catch (error) {
      this.#logger.warn({ event: 'recorder_not_listening', reason: (error as Error).message });
      setTimeout(() => name === this.#name && void this.#listen(), TURN).unref();
    }
  }

  /** Ends this period of listening: what was heard in it is complete up to its end, so the owner still records it. */
  async #retire(): Promise<void> {
    if (this.#elected) this.#lead();
    const wasLeading = this.#state === 'leading';
    try {
      if (wasLeading) {
        this.#record();
        await Promise.race([this.#recording, wait(RETIRE)]);
      }
      if (this.#state !== 'deaf') await this.#lease(wasLeading ? 'release' : 'leave');
    } catch (error) {
      this.#logger.warn({ event: 'recorder_not_released', reason: (error as Error).message });
    }
    if (this.#from !== undefined && this.#past === 'fresh') this.#past = 'again';
    if (wasLeading && this.#queue.length > 0) this.#past = 'dropped';
    this.#state = 'deaf';
    this.#elected = false;
    this.#from = undefined;
    this.#queue = [];
    this.#uncoveredSince = undefined;
  }

  #beginAnew(): void {
    this.#logger.error({ event: 'recorder_queue_full' });
    this.#retired = this.#retire();
    this.up();
  }

  #turnNow(): void {
    this.#turn().catch((error: Error) => this.#logger.warn({ event: 'recorder_turn_failed', reason: error.message }));
  }

  /** Renews the lease, or looks whether it is to be had. */
  async #turn(): Promise<void> {
    if (this.#state === 'spare') {
      if ((await this.#lease('ask')).role === 'room') await this.#listen();
      return;
    }
    if (this.#from === undefined) return;
    const name = this.#name;
    const waited = this.#uncoveredSince !== undefined && Date.now() - this.#uncoveredSince > FORCE_AFTER;
    const { role, place } = await this.#lease(waited ? 'force' : 'keep');
    if (name !== this.#name || this.#from === undefined) return;
    this.#known = true;
    if (role !== 'uncovered') this.#uncoveredSince = undefined;
    if (role === 'leader') await this.#win(place);
    else if (role === 'uncovered') this.#uncoveredSince ??= Date.now();
    else if (this.#state === 'leading' || this.#elected) this.#fence();
    else if (role === 'spare') await this.#rest();
    else this.#forget(place);
  }

  /**
   * The lease is ours. All that was recorded before it was has gone by when the next anchor does; what is queued then, is
   * what nobody has recorded.
   */
  async #win(place: Place): Promise<void> {
    if (this.#state === 'leading') {
      this.#record();
      return;
    }
    this.#forget(place);
    this.#elected = true;
    await this.#source.anchor(this.#name);
  }

  #lead(): void {
    this.counters.changes++;
    this.#logger.info({ event: 'recorder_leads', queued: this.#queue.length });
    this.#elected = false;
    this.#state = 'leading';
    this.#past = 'again';
    this.#record();
  }

  /** Another gateway has the lease: what was queued here is its to record. */
  #fence(): void {
    this.counters.fenced++;
    this.#logger.warn({ event: 'recorder_fenced', queued: this.#queue.length });
    this.#state = 'listening';
    this.#elected = false;
  }

  async #rest(): Promise<void> {
    this.#state = 'spare';
    this.#from = undefined;
    this.#queue = [];
    await this.#source.deafen();
  }

  #forget(place: Place): void {
    const isLater = ({ id, number }: Place): boolean =>
      isAfter(id, place.id) || (id === place.id && number > place.number);
    while (this.#queue.length > 0 && !isLater(this.#queue[0]!)) this.#queue.shift();
  }

  #lease(wanted: 'ask' | 'keep' | 'force' | 'release' | 'leave'): Promise<LeaseAnswer> {
    const idle = this.#state === 'leading' && this.#queue.length === 0;
    return this.#source.lease({
      name: this.#name,
      ttl: LEASE,
      from: this.#from ?? BEGINNING,
      fromCount: this.#fromCount,
      upTo: idle && this.#from !== undefined ? { ...this.#place, count: this.#count } : undefined,
      wanted,
      past: this.#past,
    });
  }

  #record(): void {
    this.#recording ??= this.#recordQueue().finally(() => {
      this.#recording = undefined;
    });
  }

  async #recordQueue(): Promise<void> {
    const name = this.#name;
    while (this.#state === 'leading' && name === this.#name && this.#queue.length > 0) {
      const batch = nextBatch(this.#queue);
      try {
        const { recorded } = await this.#source.record(name, batch);
        this.counters.recorded += recorded;
        // The queue may have been replaced while the script ran; what is behind the batch was only added to.
        if (this.#queue[0] === batch[0]) this.#queue.splice(0, batch.length);
      } catch (error) {
        if (error instanceof FencedError) {
          this.#fence();
          return;
        }
        if (this.#stopped) return;
        // Not known whether it was recorded: the same batch again, and the script skips what was.
        this.#logger.warn({ event: 'record_failed', queued: this.#queue.length, reason: (error as Error).message });
        await wait(100);
      }
    }
  }

  #repeat(every: number, work: () => Promise<void>): void {
    const turn = (): void => {
      if (this.#stopped) return;
      const period = this.#state === 'spare' ? SPARE_TURN : every;
      const timer = setTimeout(
        () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
          work()
            .catch((error: Error) => this.#logger.warn({ event: 'recorder_turn_failed', reason: error.message }))
            .finally(turn);
        },
        period * (0.9 + Math.random() * 0.2),
      );
      this.#timers.push(timer);
    };
    turn();
  }
}

function nextBatch(queue: PlainMessage[]): PlainMessage[] {
  let bytes = 0;
  let count = 0;
  while (count < queue.length && count < BATCH_MESSAGES && (count === 0 || bytes < BATCH_BYTES)) {
    bytes += queue[count]!.payload.length;
    count++;
  }
  return queue.slice(0, count);
}
