import type { BacklogReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Position } from '../message/position.ts';
import { type Additions, follow, insertAdded, readAdded } from './additions.ts';
import type { Channels } from './channels.ts';
import type { Client } from './client.ts';
import type { Gate } from './gate.ts';
import { giveReplay } from './give-replay.ts';
import { type Pauses, persistently } from './persistently.ts';
import { openMissed, type Replay, type ReplayOptions } from './replay.ts';

export interface ReplayerOptions {
  hub: Hub;
  backlog: BacklogReader;
  recordsPlain: (channel: string) => boolean;
  /** How long to wait before a failed request is repeated. */
  pauses?: Pauses | undefined;
}

/**
 * Reads the messages that the client of a reading has missed, from the hub's memory or from the backlogs, and gives them to the client.
 *
 * Invariant: at most one replay is under way at a time, because the reading awaits each of them. `close` aborts its backlog reads, and a
 * read that ends after that gives the client nothing.
 */
export class Replayer {
  readonly #client: Client;
  readonly #channels: Channels;
  readonly #additions: Additions;
  readonly #options: ReplayerOptions;
  /**
   * Aborts the backlog reads that are under way; `undefined` if there are none. Most replays find everything in memory: to make and abort
   * a controller for each was a tenth of what a poll cost.
   */
  #leaving: AbortController | undefined;

  constructor(client: Client, channels: Channels, additions: Additions, options: ReplayerOptions) {
    this.#client = client;
    this.#channels = channels;
    this.#additions = additions;
    this.#options = options;
  }

  /** Sends the resets and the messages that were missed up to the seam; before them the first frame, if it has not been sent yet. */
  async replay(seam: Position, open: (options: ReplayOptions) => Promise<Replay>): Promise<void> {
    try {
      const replay = await this.#open(open);
      // A change of rights from here on has a place behind the seam, so all pages can be filtered with the rights as they are now.
      this.#additions.haveRead(seam);
      this.#client.beginAt(replay.position);
      if (!this.#client.isOpened) this.#client.open();
      await giveReplay(replay, this.#client, seam, (ask) => this.#ask(ask));
    } catch (error) {
      // A client that has left is owed nothing, and its reads were aborted.
      if (!this.#client.hasLeft) throw error;
    } finally {
      // Each of many streams that wait would keep it: 0.3 KB.
      this.#leaving = undefined;
    }
  }

  /** Reads messages again that are not held, or that could not be filtered when they came: those after the client's position. */
  async catchUp(upTo: Position): Promise<void> {
    if (this.#client.hasLeft) return;
    const { position } = this.#client;
    const wanted = [...this.#channels.followed].map((channel) => {
      const added = this.#additions.owedOf(channel, position);
      return added ?? { ...this.#channels.owedOf(channel, position), isRead: true };
    });
    await this.replay(upTo, (options) => openMissed(wanted, position, upTo, options));
  }

  /**
   * Follows the channels that were added, from the place at which they were added, or from the client's position if that is later. Puts
   * their messages in their places among those in the gate. `behind`: answers how many records the last of them waits for.
   */
  async readAdded(gate: Gate, reader: Reader, behind: () => number): Promise<void> {
    const { hub, backlog, recordsPlain } = this.#options;
    const added = this.#additions.take();
    await this.#persistently(() => follow(added, hub, reader));
    if (this.#client.hasLeft) return;
    const { position } = this.#client;
    const found = await this.#persistently(() =>
      readAdded(added, position, hub.position, { hub, backlog, filter: this.#channels, gaps: hub.gaps, recordsPlain }),
    );
    const resets = found.resets.filter(({ channel }) => {
      // If the channel was added, dropped and added again, messages that are gone from its backlog may be held since the first time.
      const from = found.gaps.get(channel);
      const head = hub.subscription(channel)?.head;
      return from === undefined || head === undefined || !gate.hasAll(channel, found.deliveries, from, head);
    });
    insertAdded(gate, added, { deliveries: found.deliveries, resets }, position, behind());
  }

  close(): void {
    this.#leaving?.abort();
  }

  #open(open: (options: ReplayOptions) => Promise<Replay>): Promise<Replay> {
    const { hub, backlog, recordsPlain } = this.#options;
    const withdrawn: BacklogReader = {
      // Most long polls read nothing, and a signal takes 0.3 KB.
      open: (requests) => backlog.open(requests, this.#signal()),
      counters: (channels) => backlog.counters(channels),
    };
    return this.#ask(() => open({ hub, backlog: withdrawn, filter: this.#channels, recordsPlain }));
  }

  /** Aborted when the client has left. */
  #signal(): AbortSignal {
    this.#leaving ??= new AbortController();
    if (this.#client.hasLeft) this.#leaving.abort();
    return this.#leaving.signal;
  }

  /** Repeats the same request, so up to the same seam: later messages are held, and may change which messages are allowed. */
  async #ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      // Before its `ok`, a client is notified of the failure within 2 s; after it, only the grace ends the stream.
      if (!this.#client.isOpened || this.#client.hasLeft) throw error;
      return this.#persistently(ask);
    }
  }

  #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return persistently(ask, () => this.#client.hasLeft, this.#options.pauses);
  }
}
