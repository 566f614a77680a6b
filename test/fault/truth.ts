import type { Frame, Ledger, Publication, Recorded } from './ledger.ts';

/** Later than everything: when a command whose answer was lost is executed at the latest. */
export const NEVER = Number.MAX_SAFE_INTEGER;

export interface Violation {
  rule:
    | 'lost'
    | 'double'
    | 'order'
    | 'false reset'
    | 'leak'
    | 'early'
    | 'cut short'
    | 'disagreement'
    | 'invented'
    | 'refused but there'
    | 'silent'
    | 'problem';
  at: number;
  what: string;
  reader?: string;
  channel?: string;
  /** What was done to the world about then. */
  near?: string[];
}

/** A message that exists, by the record, by a publisher who was told its id, or by a reader who got it. */
export interface Truth {
  channel: string;
  id: number;
  revision: number | undefined;
  text: string;
  plain: boolean | undefined;
  /** Redis executed the publish between the two. */
  sentAt: number;
  settledAt: number;
  /** Set where it is certain which one it was. */
  publication: Publication | undefined;
}

interface Missing {
  /** Acknowledged, and neither in the record nor seen by anybody. */
  lost: Publication[];
  /** Plain ones: those, and what nobody heard or may not have happened, and is not there. */
  unrecorded: Publication[];
}

export interface Truths extends Missing {
  /** In id order, by channel. */
  byChannel: Map<string, Truth[]>;
  byId: Map<number, Truth>;
  violations: Violation[];
}

/** Puts together what is known of each message, and says where the sources contradict each other. */
export function findTruths(ledger: Ledger): Truths {
  const violations: Violation[] = [];
  const byId = new Map<number, Truth>();
  for (const recorded of ledger.recorded ?? []) learn(byId, violations, recorded, 'the record');
  for (const { id, channel, text, publisher } of ledger.publications) {
    if (id !== undefined) learn(byId, violations, { id, channel, text }, publisher);
  }
  for (const frame of ledger.frames) if (frame.kind === 'message') learnFromFrame(byId, violations, frame);
  const byChannel = groupBy([...byId.values()], (truth) => truth.channel);
  for (const truths of byChannel.values()) truths.sort((a, b) => a.id - b.id);
  const missing = match(ledger, byChannel, byId, violations);
  checkRecord(ledger.recorded?.filter(({ channel }) => !ledger.denied.includes(channel)) ?? [], violations);
  checkOrder(byId, violations);
  return { byChannel, byId, ...missing, violations };
}

type Known = Pick<Recorded, 'id' | 'channel' | 'text'> & { revision?: number | undefined; plain?: boolean };

function learn(byId: Map<number, Truth>, violations: Violation[], known: Known, source: string): void {
  const { id, channel, text, revision, plain } = known;
  const truth = byId.get(id);
  if (!truth) {
    byId.set(id, { channel, id, revision, text, plain, sentAt: 0, settledAt: NEVER, publication: undefined });
    return;
  }
  truth.revision ??= revision;
  if (truth.channel !== channel || truth.text !== text || (revision !== undefined && truth.revision !== revision)) {
    const is = `${channel} revision ${revision ?? '?'} ${JSON.stringify(text)}`;
    const was = `${truth.channel} revision ${truth.revision ?? '?'} ${JSON.stringify(truth.text)}`;
    violations.push({
      rule: 'disagreement',
      at: 0,
      channel,
      what: `id ${id} is ${is} to ${source}, and ${was} to others`,
    });
  }
}

/** A raw stream does not say the channel of a message; the id does, once anybody else knows it. */
function learnFromFrame(byId: Map<number, Truth>, violations: Violation[], frame: Frame): void {
  const channel = frame.channel ?? byId.get(frame.id)?.channel;
  if (channel === undefined) return;
  learn(byId, violations, { id: frame.id, channel, text: frame.text ?? '', revision: frame.revision }, frame.reader);
}

/** Finds the publication of each message; identical texts by count and, where one publisher sent them, by order. */
function match(
  ledger: Ledger,
  channels: Map<string, Truth[]>,
  byId: Map<number, Truth>,
  violations: Violation[],
): Missing {
  const missing: Missing = { lost: [], unrecorded: [] };
  const open = new Map<string, Publication[]>();
  const known = new Set(ledger.publications.map(({ channel, text }) => `${channel}\n${text}`));
  for (const publication of ledger.publications) {
    const truth = publication.id === undefined ? undefined : byId.get(publication.id);
    if (truth) assign(truth, publication);
    else append(open, `${publication.channel}\n${publication.text}`, publication);
  }
  for (const [channel, truths] of channels) {
    const rest = groupBy(
      truths.filter((truth) => truth.publication === undefined),
      (truth) => truth.text,
    );
    for (const [text, messages] of rest) {
      const key = `${channel}\n${text}`;
      matchGroup(open.get(key) ?? [], messages, known.has(key), missing, violations);
      open.delete(key);
    }
  }
  for (const publications of open.values()) matchGroup(publications, [], true, missing, violations);
  return missing;
}

/** One text on one channel (`known`: somebody published it): `publications` whose id nobody told, and `messages` that nobody has claimed, in id order. */
function matchGroup(
  publications: Publication[],
  messages: Truth[],
  known: boolean,
  missing: Missing,
  violations: Violation[],
): void {
  const possible = publications.filter((one) => one.outcome !== 'refused');
  const expected = possible.filter(isExpected);
  const ordered = isOrdered(possible);
  if (ordered && possible.length === messages.length) {
    possible.sort((a, b) => a.sequence - b.sequence);
    for (const [i, one] of possible.entries()) assign(messages[i]!, one);
    return;
  }
  for (const message of messages) {
    // Which one it was cannot be known; it was one of them.
    message.sentAt = Math.min(...possible.map((one) => one.sentAt), NEVER);
    message.settledAt = Math.max(...possible.map((one) => one.settledAt), 0);
  }
  const surplus = messages.length - possible.length;
  for (const message of messages.slice(messages.length - Math.max(surplus, 0)))
    violations.push(surplusOf(message, publications, known));
  if (possible.length <= messages.length) return;
  const gone = summary(possible);
  for (let i = messages.length; i < expected.length; i++) missing.lost.push(gone);
  if (gone.way === 'plain') missing.unrecorded.push(gone);
}

/** Stands for any of these: which of several identical texts is gone cannot be known. */
function summary(publications: Publication[]): Publication {
  const [first] = publications;
  if (!first || publications.length === 1) return first!;
  const sentAt = Math.min(...publications.map((one) => one.sentAt));
  return { ...first, connection: undefined, sentAt, settledAt: Math.max(...publications.map((one) => one.settledAt)) };
}

/** A plain PUBLISH that nobody heard is lost as ever; it may be there all the same if its answer was cut in half. */
function isExpected({ outcome, way, receivers }: Publication): boolean {
  return outcome === 'acknowledged' && !(way === 'plain' && receivers === 0);
}

function isOrdered(publications: Publication[]): boolean {
  const [first] = publications;
  if (!first || publications.length === 1) return true;
  return publications.every(
    ({ publisher, way }) => publisher === first.publisher && way === first.way && way !== 'http',
  );
}

function surplusOf(message: Truth, publications: Publication[], known: boolean): Violation {
  const { channel, id, text } = message;
  const what = `id ${id} on ${channel}: ${JSON.stringify(text)}`;
  const refused = publications.find((one) => one.outcome === 'refused');
  if (refused) return { rule: 'refused but there', at: refused.sentAt, channel, what };
  return { rule: known ? 'double' : 'invented', at: publications[0]?.sentAt ?? 0, channel, what };
}

function assign(truth: Truth, publication: Publication): void {
  truth.publication = publication;
  truth.plain = publication.way === 'plain';
  truth.sentAt = publication.sentAt;
  truth.settledAt = publication.settledAt;
}

/** Ids rise and revisions count, channel by channel. */
function checkRecord(recorded: Recorded[], violations: Violation[]): void {
  for (const [channel, messages] of groupBy(recorded, (one) => one.channel)) {
    for (let i = 1; i < messages.length; i++) {
      const [before, after] = [messages[i - 1]!, messages[i]!];
      if (after.id > before.id && after.revision === before.revision + 1) continue;
      const what = `${channel}: id ${after.id} revision ${after.revision} stands behind id ${before.id} revision ${before.revision}`;
      violations.push({ rule: 'order', at: 0, channel, what });
    }
  }
}

/** What one connection sent in one way has rising ids: Redis executes it in that order, and the recorder hears it so. */
function checkOrder(byId: Map<number, Truth>, violations: Violation[]): void {
  const certain = [...byId.values()].filter(({ publication }) => publication?.connection !== undefined);
  const lines = groupBy(
    certain,
    ({ publication: one }) => `${one!.publisher} ${one!.connection} ${one!.way === 'plain'}`,
  );
  for (const truths of lines.values()) {
    truths.sort((a, b) => a.publication!.sequence - b.publication!.sequence);
    for (let i = 1; i < truths.length; i++) {
      const [before, after] = [truths[i - 1]!, truths[i]!];
      if (after.id > before.id) continue;
      const what = `${JSON.stringify(after.text)} on ${after.channel} was published after ${JSON.stringify(before.text)} on ${before.channel}, and has the lower id`;
      violations.push({ rule: 'order', at: after.sentAt, channel: after.channel, what });
    }
  }
}

export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) append(groups, keyOf(item), item);
  return groups;
}

function append<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const group = groups.get(key);
  if (group) group.push(item);
  else groups.set(key, [item]);
}
