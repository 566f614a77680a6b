import { setTimeout as wait } from 'node:timers/promises';
import type { Counters } from '../counters.ts';
import type { Logger } from '../logger.ts';
import { isChannel } from '../message/names.ts';
import { type Place, placeOf } from '../message/place.ts';
import type { Position } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import { Lease } from './lease.ts';
import { ListeningPeriod } from './listening-period.ts';
import type { Count, PlainListener, PlainSource } from './plain-source.ts';
import { Recording } from './recording.ts';
import { OneAtATime, Rounds } from './rounds.ts';
import { TIMES } from './times.ts';

/** Most messages that may be queued, received and not known to be recorded. Beyond that, this gateway begins a new period. */
const MAX_QUEUE = 200_000;
/** Channels on which Sentinel and Redis publish for themselves. */
const NOT_PLAIN = /^__(sentinel|redis)__:/;

/**
 * Turns plain PUBLISHes into recorded messages, exactly once, whatever the number of gateways.
 *
 * Its state is that of the present listening period, and ends with it. A lost connection ends the period, in every state.
 *
 * Invariant: a queue is never used across an interruption of listening, and the script records a place only for the period that owns
 * the lease, and only once. So neither a stalled owner nor a repeated batch can double or reorder messages; and a gateway that takes
 * the lease has received everything since the last recorded place, or a gap is written.
 *
 * This class contains only the transitions between the states, and the decisions about them. They are in one file, however long, because
 * each of them is right only beside the others.
 */
export class Recorder implements PlainListener {
  readonly #source: PlainSource;
  readonly #times: typeof TIMES;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #failures: Failures;
  #period = new ListeningPeriod();
  readonly #lease: Lease;
  readonly #recording: Recording;
  /** Settles when the previous period has ended: its queue is recorded, and the lease given back, if that was possible. */
  #ended: Promise<void> = Promise.resolve();
  #stopped = false;
  readonly #rounds = new Rounds((error) => this.#warn('recorder_turn_failed', error));
  readonly #turns = new OneAtATime(() =>
    this.#turn().catch((error: Error) => this.#warn('recorder_turn_failed', error)),
  );

  constructor(source: PlainSource, counters: Counters, logger: Logger, times = TIMES) {
    this.#source = source;
    this.#times = times;
    this.#counters = counters;
    this.#logger = logger;
    this.#failures = new Failures(logger);
    this.#lease = new Lease(source, times, (error) => this.#warn('recorder_not_released', error));
    this.#recording = new Recording({
      source,
      counters,
      logger,
      isDue: (period) => period === this.#period && period.state === 'leading',
      onFenced: () => this.#fence(),
      onFailure: (error) => this.#warn('record_failed', error),
    });
  }

  get role(): 'unknown' | 'leader' | 'standby' | 'spare' {
    if (!this.#lease.isKnown) return 'unknown';
    const { state } = this.#period;
    return state === 'leading' ? 'leader' : state === 'spare' ? 'spare' : 'standby';
  }

  /** Whether plain PUBLISHes are being recorded, by this gateway or another. */
  get isRecording(): boolean {
    return this.#lease.wasHeldLately;
  }

  start(): void {
    this.#source.start(this);
    const { turn, spareTurn, anchor } = this.#times;
    const isSpare = (): boolean => this.#period.state === 'spare';
    this.#rounds.repeat(
      () => (isSpare() ? spareTurn : turn),
      () => this.#turn(),
    );
    this.#rounds.repeat(
      () => (isSpare() ? spareTurn : anchor),
      async () => {
        if (this.#period.from !== undefined) await this.#source.anchor(this.#period.name);
      },
    );
  }

  /** Records what is queued and gives the lease back. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#rounds.stop();
    await this.#ended;
    await this.#end();
    await this.#source.close();
  }

  up(): void {
    void this.#ended.then(() => this.#begin());
  }

  down(): void {
    if (!this.#stopped) this.#logger.debug({ event: 'recorder_deaf', role: this.role });
    this.#ended = this.#ended.then(() => this.#end());
  }

  plain(channel: string, payload: Buffer): void {
    const period = this.#period;
    period.hear(channel, payload, isChannel(channel) && !NOT_PLAIN.test(channel));
    if (period.state === 'leading') this.#record();
    // Once, when the bound is passed: messages still arrive until the period has ended.
    if (period.queue.length !== MAX_QUEUE + 1) return;
    this.#logger.error({ event: 'recorder_queue_full' });
    this.down();
    this.up();
  }

  recorded(id: Position, place: Place | undefined): void {
    this.#period.recorded(id);
    // The leader removes a batch from its queue when the script has answered.
    if (place && this.#period.state !== 'leading') this.#period.forget(place);
  }

  anchored(id: Position, name: string, count: Count): void {
    const { overcounts } = this.#period;
    const isOwn = name === this.#period.name;
    this.#period.anchored(id, count, isOwn);
    if (this.#period.overcounts && !overcounts) {
      const right = 'expected only what PUBLISH has published: until a restart, holes are told more often than needed';
      this.#logger.warn({ event: 'recorder_overcounts' }, right);
    }
    if (!isOwn) return;
    if (this.#period.state === 'elected') {
      // Queue a question here, so that gateways that asked while nobody listened are answered without asking again.
      this.#period.settle(id);
      this.#lead();
    }
    if (this.#period.from !== undefined) return;
    this.#period.begin();
    this.#turnNow();
  }

  settle(id: Position): void {
    this.#period.settle(id);
    if (this.#period.state === 'leading') void this.#record();
  }

  settled(id: Position): void {
    if (this.#period.state !== 'leading') this.#period.forget(placeOf(id));
  }

  released(): void {
    if (this.#period.from !== undefined) this.#turnNow();
  }

  async #begin(): Promise<void> {
    if (this.#stopped) return;
    const period = this.#newPeriod();
    try {
      const { role } = await this.#lease.request(period, 'ask');
      if (role === 'spare') {
        period.state = 'spare';
        return;
      }
      await this.#source.listen();
      await this.#source.anchor(period.name);
    } catch (error) {
      this.#warn('recorder_not_listening', error);
      setTimeout(() => period === this.#period && void this.#begin(), this.#times.turn).unref();
    }
  }

  /**
   * Ends this period. Its queue is complete up to its end, so the owner still records it. It gives the lease back only if all of it is
   * recorded. If the lease runs out instead, the successor writes a gap, unless it has received everything itself.
   */
  async #end(): Promise<void> {
    const period = this.#period;
    if (period.from === undefined) return;
    if (period.state === 'elected') this.#lead();
    const { retire } = this.#times;
    const until = performance.now() + retire;
    if (period.state === 'leading') await Promise.race([this.#record(), wait(retire, undefined, { ref: false })]);
    const wanted = period.isIdle ? 'release' : 'leave';
    const upTo = wanted === 'release' ? period.place : undefined;
    this.#newPeriod();
    const again = (): boolean => wanted === 'release' && !this.#stopped;
    await this.#lease.giveUp(period, { wanted, upTo, again }, until);
  }

  #turnNow(): void {
    if (!this.#stopped) this.#turns.run();
  }

  /** Renews the lease, or asks whether it is available. */
  async #turn(): Promise<void> {
    const period = this.#period;
    if (period.state === 'spare') {
      if ((await this.#lease.request(period, 'ask')).role === 'room') await this.#begin();
      return;
    }
    if (period.from === undefined) return;
    const { role, place } = await this.#lease.request(period, 'keep', period.isIdle ? period.place : undefined);
    if (period !== this.#period) return;
    if (role === 'leader') await this.#win(place);
    else if (period.state === 'leading' || period.state === 'elected') this.#fence();
    else if (role === 'spare') await this.#rest();
    else period.forget(place);
  }

  /**
   * This gateway owns the lease. When it receives the next anchor, it has received all records from before that. The messages that
   * are still queued then are not recorded.
   */
  async #win(place: Place): Promise<void> {
    if (this.#period.state === 'leading') void this.#record();
    if (this.#period.state !== 'listening') return;
    this.#period.forget(place);
    this.#period.state = 'elected';
    await this.#source.anchor(this.#period.name);
  }

  #lead(): void {
    this.#counters.recorderLeads();
    this.#logger.info({ event: 'recorder_leads', queued: this.#period.queue.length });
    this.#period.state = 'leading';
    void this.#record();
  }

  /** Another gateway owns the lease, and records the messages that are queued here. */
  #fence(): void {
    this.#counters.recorderFenced();
    this.#logger.warn({ event: 'recorder_fenced', queued: this.#period.queue.length });
    this.#period.state = 'listening';
  }

  /** Stops listening, because two other gateways stand by already. */
  async #rest(): Promise<void> {
    this.#newPeriod().state = 'spare';
    await this.#source.deafen();
  }

  #newPeriod(): ListeningPeriod {
    this.#period = new ListeningPeriod(this.#period.overcounts);
    return this.#period;
  }

  #record(): Promise<void> {
    return this.#recording.run(this.#period);
  }

  #warn(event: string, error: unknown): void {
    const { length: queued } = this.#period.queue;
    if (!this.#stopped) this.#failures.log(event, error, { queued });
  }
}
