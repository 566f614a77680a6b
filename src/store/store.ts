import type { Backlog, Retention } from '../backlog/backlog.ts';
import type { DirectPublisher } from '../backlog/direct-publisher.ts';
import type { FleetLimit } from '../backlog/fleet-limit.ts';
import type { FleetReports } from '../backlog/fleet-reports.ts';
import type { Collections } from '../collection/collections.ts';
import type { RedisTls } from '../config/redis-certificates.ts';
import type { ChannelSource } from '../hub/channel-source.ts';
import type { Trouble } from '../hub/trouble.ts';
import type { Position } from '../message/position.ts';
import type { Tokens } from '../message/token.ts';
import type { Inbox } from '../poll/inbox.ts';
import type { PollStore } from '../poll/poll-store.ts';
import type { PlainSource } from '../recorder/plain-source.ts';
import type { Agreement } from './settings.ts';

/** The store of all messages: Redis, or this process's memory. Both kinds pass test/contract. */
export interface Store {
  readonly kind: 'redis' | 'memory';
  readonly source: ChannelSource;
  readonly backlog: Backlog;
  readonly collections: Collections;
  readonly tokens: Tokens;
  /** `undefined` if poll sessions are off, or if the store cannot keep them. */
  readonly polls: PollStore | undefined;
  /** What browsers have sent; `undefined` together with `polls`. */
  readonly inbox: Inbox | undefined;
  /** `undefined` if no plain PUBLISHes are recorded. */
  readonly plain: PlainSource | undefined;
  /** `undefined` if no other gateway can share the store, or no limit is set. */
  readonly fleetLimit: FleetLimit | undefined;
  /** `undefined` if no other gateway can share the store. */
  readonly reports: FleetReports | undefined;
  /** `undefined` if nobody but the gateway can publish in the store. */
  readonly direct: DirectPublisher | undefined;
  /** `undefined` if no other gateway can share the store. */
  readonly settings: Agreement | undefined;
  /** Whether the settings shared by all gateways are known and this gateway can keep its guarantees with them, and streams can be counted. */
  readonly isSettled: boolean;
  /** The largest message (bytes), as now in effect for all gateways. */
  readonly maxMessage: number;
  /** How much of a channel is kept, as now in effect for all gateways. */
  retention(channel: string): Retention;
  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain(channel: string): boolean;
  /** Connects, and reconnects until the store is closed. */
  start(): void;
  /** Writes this gateway's settings to the store again, because the store has lost its memory. */
  configure(): void;
  /** Uses other certificates for connections that are made from now on; those that are open stay. */
  useCertificates(tls: RedisTls): void;
  /** Whether the store answers now. */
  ping(): Promise<boolean>;
  /** Whether this gateway has received anything from the store, on any connection, since the last call. */
  hasSpoken(): boolean;
  /** The time by this process's monotonic clock (ms) at which a message got this id; `undefined` if that is not known. */
  localTime(id: Position): number | undefined;
  /** What the store does not do at the moment; usually empty. */
  troubles(): Trouble[];
  /** Why the store keeps less than it could, for the operator. */
  weaknesses(): string[];
  /** May be called twice, and before `start`. */
  close(): Promise<void>;
}
