import type { Socket } from 'node:net';
import { type Authenticator, type Identified, type Identity, isNobody, type Refused } from '../auth/authenticator.ts';
import type { HttpRequest } from '../auth/http-request.ts';
import { publicTest } from '../auth/public-channels.ts';
import type { Connection } from '../connection/connection.ts';
import type { Refusal } from '../connection/refusal.ts';
import type { Permit } from '../session/permits.ts';
import type { SessionOptions } from '../session/session.ts';
import type { ClientLimits, Counted } from './client-limits.ts';
import type { HttpContext } from './context.ts';
import type { Descriptors } from './descriptors.ts';
import { Identification } from './identification.ts';

/** The user has as many streams as one may have, at all gateways together. */
export const FULL = { refusal: 'capacity', limit: 'SISYPHUS_MAX_STREAMS_PER_USER' } as const satisfies Refused;

/** The reader of a stream: a user, or nobody, which is a client without a credential that names the channels to read. */
export interface Listener extends Omit<Identified, 'user'> {
  user: string | undefined;
  /** The client's address as the log shows it. */
  address: string | undefined;
  /** The caller gives it to the session, or gives it back. */
  permit: Permit;
  /** Since when it is known who the client is (ms, monotonic clock). */
  begun: number;
}

/** The reader before there is a place for it. */
type Client = Omit<Listener, 'permit' | 'address'>;

/** A request for a stream, and where it came from. */
export interface Entering {
  socket: Socket;
  request: HttpRequest;
  connection: Pick<Connection, 'closed' | 'onClose'>;
  /** The channels that the request names; `undefined`: it names none. */
  named: ReadonlySet<string> | undefined;
  /** When the request began (ms, monotonic clock). */
  begun: number;
  /** Why the request is refused, whichever client has sent it. */
  refusal: Refusal | undefined;
}

export interface EntranceOptions {
  authenticator: Authenticator;
  limits: ClientLimits;
  descriptors: Pick<Descriptors, 'roomFor'>;
}

/**
 * Decides whether a request gets a stream, the cheapest question first: the limits of addresses, who the client is, whether that
 * client was disconnected meanwhile, and whether there is room.
 */
export class Entrance {
  readonly #context: HttpContext;
  readonly #options: EntranceOptions;
  readonly #identification: Identification;
  readonly #isPublic: (channel: string) => boolean;

  constructor(context: HttpContext, options: EntranceOptions) {
    const { config, logger } = context;
    this.#context = context;
    this.#options = options;
    const { authenticator } = options;
    this.#identification = new Identification({ authenticator, logger, atATime: config.maxStreams });
    this.#isPublic = publicTest(config.publicChannels);
  }

  /** @returns `undefined` if the client has left meanwhile */
  async admit(entering: Entering): Promise<Listener | Refused | undefined> {
    const { request, connection, refusal } = entering;
    const { limits } = this.#options;
    const counted = limits.counted(request);
    const refused = refusal ? { refusal } : await this.#turnAway(counted);
    const identity = refused ?? (await this.#identification.identify(request, connection));
    if (!refused && 'refusal' in identity) await limits.failed(counted, identity.refusal);
    if (connection.closed) return undefined;
    const client = clientOf(identity, entering);
    if ('refusal' in client) return client;
    const found = await this.#placeFor(client, entering, counted);
    if (!found || !('limit' in found) || found.limit !== FULL.limit || client.user === undefined) return found;
    await this.#context.sessions.vacancy(client.user);
    if (connection.closed) return undefined;
    return this.#placeFor(client, entering, counted);
  }

  /** Which channels the listener may read: those on the list in the store, those of the credential, and public ones that are named. */
  rightsOf(
    { channels = [] }: Listener,
    named: ReadonlySet<string> | undefined,
  ): Required<Pick<SessionOptions, 'granted' | 'hasList'>> {
    const { rights } = this.#context.config;
    const publicOnes = [...(named ?? [])].filter(this.#isPublic);
    return {
      granted: rights === 'redis' ? publicOnes : [...publicOnes, ...channels],
      hasList: rights !== 'credential',
    };
  }

  /** Refuses a client that is not to be identified, because a limit is reached. */
  async #turnAway(counted: Counted): Promise<Refused | undefined> {
    const { limits } = this.#options;
    if (counted.failures !== undefined && (await limits.waitOf(counted)) > 0)
      return { refusal: 'capacity', limit: 'SISYPHUS_MAX_FAILURES' };
    if (counted.streams !== undefined && this.#context.sessions.isFull(counted.streams))
      return { refusal: 'capacity', limit: 'SISYPHUS_MAX_STREAMS_PER_ADDRESS' };
    return (await limits.mayOpen()) ? undefined : { refusal: 'capacity', limit: 'SISYPHUS_MAX_OPENS' };
  }

  /** Gives the client a place, or refuses it. @returns `undefined` if the client has left meanwhile */
  async #placeFor(client: Client, entering: Entering, counted: Counted): Promise<Listener | Refused | undefined> {
    const { sessions } = this.#context;
    const { streams, shown } = counted;
    const refused = this.#reasonAgainst(client, entering);
    if (refused) return refused;
    const permit = await sessions.permit(streams);
    if (typeof permit === 'string') return { refusal: 'capacity', limit: permit };
    // With several workers the primary may have been asked for the permit, and much can have happened meanwhile.
    const { closed } = entering.connection;
    const found = closed ? undefined : this.#reasonAgainst(client, entering);
    if (!closed && !found && sessions.admits(client.user)) return { ...client, permit, address: shown };
    permit.release();
    return closed ? undefined : (found ?? FULL);
  }

  /** @returns why the client gets no place, whether or not there is one; `undefined` if nothing is against it */
  #reasonAgainst(client: Client, { socket, named }: Entering): Refused | undefined {
    const { config, isDraining, sessions } = this.#context;
    const { user, channels = [] } = client;
    const disconnected = user === undefined ? undefined : sessions.reasonAgainst({ ...client, user }, client.begun);
    if (disconnected) return { refusal: disconnected };
    if (isDraining()) return { refusal: 'draining' };
    if (this.#options.descriptors.roomFor(socket) !== 'enough') return { refusal: 'capacity' };
    const own = config.rights === 'redis' ? 0 : channels.length;
    if (Math.max(own, named?.size ?? 0) > config.maxChannels) {
      return { refusal: 'capacity', limit: 'SISYPHUS_MAX_CHANNELS' };
    }
    return undefined;
  }
}

function clientOf(identity: Identity, { named, begun }: Entering): Client | Refused {
  if ('refusal' in identity && !isNobody(identity)) return identity;
  // The request names channels, and none of the names is a valid one.
  if (named?.size === 0) return { refusal: 'malformed' };
  if (!('refusal' in identity)) {
    return { ...identity, begun: Math.min(identity.since ?? begun, begun) };
  }
  return named ? { user: undefined, begun } : identity;
}
