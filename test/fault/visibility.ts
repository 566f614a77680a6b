import type { Ledger, Publication, RightsNote } from './ledger.ts';
import { groupBy, type Truth } from './truth.ts';

/** Whether a user had to get a message, must not get it, or either, because it and a change of rights crossed. */
export type Visibility = 'must' | 'may' | 'never';

interface Change {
  note: RightsNote;
  publication: Publication;
  /** Surely told; if not, the list may have changed all the same. */
  announced: boolean;
}

/**
 * An application changes the list first and tells it later: a message of another kind on the user's channel between the
 * two, or one that is recorded then, tells of the change before the application does (ms).
 */
const CROSSING_OF_APPLICATIONS = 5000;

/** Who may see what, and since when, as far as those who changed it can tell. */
export class Rights {
  readonly #initial: Map<string, Set<string>>;
  readonly #changes: Map<string, Change[]>;

  /** `lost`: announcements that nobody ever got; the list has changed all the same. */
  constructor(ledger: Ledger, lost: Publication[]) {
    const unheard = new Set(lost);
    this.#initial = new Map([...ledger.rights].map(([user, channels]) => [user, new Set(channels)]));
    const changes: Change[] = [];
    for (const publication of ledger.publications) {
      const { rights: note, outcome, receivers } = publication;
      if (!note) continue;
      const announced = outcome === 'acknowledged' && receivers !== 0 && !unheard.has(publication);
      changes.push({ note, publication, announced });
    }
    changes.sort((a, b) => a.note.beganAt - b.note.beganAt);
    this.#changes = groupBy(changes, ({ note }) => `${note.user}\n${note.channel}`);
  }

  visibility(user: string, message: Pick<Truth, 'channel' | 'sentAt' | 'settledAt' | 'publication'>): Visibility {
    if (message.channel === `user:${user}`) return 'must';
    let possible = new Set([this.#initial.get(user)?.has(message.channel) ?? false]);
    for (const change of this.#changes.get(`${user}\n${message.channel}`) ?? []) {
      const granted = change.note.change === 'grant';
      if (precedes(message, change)) break;
      const sure = follows(message, change) && change.announced;
      possible = sure ? new Set([granted]) : possible.add(granted);
    }
    if (possible.size === 2) return 'may';
    return possible.has(true) ? 'must' : 'never';
  }

  /** Whether the user got the channel at some moment after the message: what came too early, came to the right one. */
  isGrantedAfter(user: string, message: Truth): boolean {
    return this.#changesAfter(user, message, 'grant').length > 0;
  }

  /** Whether the list changed so soon after the message that a reading of the list could not tell which came first. */
  crosses(user: string, message: Truth, change: 'grant' | 'revoke', crossing: number): boolean {
    return this.#changesAfter(user, message, change).some(({ note }) => {
      const allowed = note.atomic ? crossing : Math.max(crossing, CROSSING_OF_APPLICATIONS);
      return note.beganAt - message.sentAt < allowed;
    });
  }

  /** Whether the user may have lost the channel at some moment after the message and before `by`. */
  revokedMeanwhile(user: string, message: Truth, by: number): boolean {
    const changes = this.#changes.get(`${user}\n${message.channel}`) ?? [];
    return changes.some(
      (change) => change.note.change === 'revoke' && change.note.beganAt < by && !follows(message, change),
    );
  }

  #changesAfter(user: string, message: Truth, change: 'grant' | 'revoke'): Change[] {
    const changes = this.#changes.get(`${user}\n${message.channel}`) ?? [];
    return changes.filter((one) => one.note.change === change && !follows(message, one));
  }

  /** Every channel that the user could see at any time. */
  channelsOf(user: string): Set<string> {
    const channels = new Set([`user:${user}`, ...(this.#initial.get(user) ?? [])]);
    for (const [key, changes] of this.#changes) {
      if (key.startsWith(`${user}\n`) && changes.some(({ note }) => note.change === 'grant'))
        channels.add(changes[0]!.note.channel);
    }
    return channels;
  }
}

type Timed = Pick<Truth, 'sentAt' | 'settledAt' | 'publication'>;

/** Redis executed the message before anything of the change. */
function precedes(message: Timed, { note, publication }: Change): boolean {
  const order = orderOf(message.publication, publication);
  return order === undefined ? message.settledAt < note.beganAt : order < 0;
}

/** Redis executed the message after the one that announced the change. */
function follows(message: Timed, { publication }: Change): boolean {
  const order = orderOf(message.publication, publication);
  return order === undefined ? message.sentAt > publication.settledAt : order > 0;
}

/** In Redis's order, where it is certain: one connection keeps it, and scripts get their ids in it. */
function orderOf(one: Publication | undefined, other: Publication): number | undefined {
  if (!one) return undefined;
  if (one.connection !== undefined && one.connection === other.connection && one.publisher === other.publisher) {
    return one.sequence - other.sequence;
  }
  if (one.way !== 'plain' && other.way !== 'plain' && one.id !== undefined && other.id !== undefined)
    return one.id - other.id;
  return undefined;
}
