import { channelOfUser, requireChannel, requireUser } from '../message/names.ts';
import { formatPlace } from '../message/place.ts';
import { type Position, parsePosition } from '../message/position.ts';
import { PROGRAM } from '../root.ts';
import { Timeline } from '../session/timeline.ts';
import type { Archive, Found } from '../store/redis/archive.ts';
import { withArchive } from './archive.ts';
import { type Command, EXIT, type Invocation, type Sink, UsageError } from './command.ts';
import { FATES, type Fate, fateOf, type Right, type SeenStream, verdictOf } from './fate.ts';
import { findStreams } from './find-streams.ts';
import { GATEWAYS_OPTION, JSON_OPTION } from './options.ts';
import { timeOf } from './print.ts';
import { usage } from './publish.ts';

interface Question {
  user: string;
  channel: string;
  id: Position | undefined;
}

/** What is known about the question. */
interface Answer extends Question {
  /** The message: that of the question, or the last one of the channel. */
  found: Found | undefined;
  /** Whether the user may follow the channel now, and could at the place of the message. */
  rights: { now: boolean; atMessage: boolean | undefined; changes: { kind: string; at: string; time: string }[] };
  streams: (SeenStream & { fate: Fate | undefined })[];
  /** Gateways that could not be asked, and why. */
  problems: string[];
  verdict: string;
}

export const why: Command = {
  name: 'why',
  parameters: '--user <user> --channel <channel>',
  summary: 'says whether a user could see a message, and what happened to it',
  positionals: [0, 0],
  options: {
    user: { type: 'string', meaning: 'whose streams are looked at' },
    channel: { type: 'string', meaning: 'where the message was published' },
    id: { type: 'string', meaning: 'the id of the message (the last one of the channel)' },
    ...GATEWAYS_OPTION,
    ...JSON_OPTION,
  },
  async run(invocation) {
    const { options, stdout } = invocation;
    const question = questionOf(invocation);
    const answer = await withArchive(invocation, (archive) => investigate(question, archive, invocation));
    if (options.json === true) stdout.write(`${JSON.stringify(toJson(answer))}\n`);
    else print(answer, stdout);
    return EXIT.ok;
  },
};

function questionOf({ options }: Invocation): Question {
  if (options.user === undefined || options.channel === undefined) {
    throw new UsageError(`expected ${PROGRAM} why --user <user> --channel <channel>`);
  }
  const user = usage(() => requireUser(options.user));
  const channel = usage(() => requireChannel(options.channel));
  const id = options.id === undefined ? undefined : parsePosition(String(options.id));
  if (options.id !== undefined && id === undefined) {
    throw new UsageError('--id: expected the id of a message, such as 1795206467123456');
  }
  return { user, channel, id };
}

async function investigate(question: Question, archive: Archive, invocation: Invocation): Promise<Answer> {
  const { user, channel } = question;
  const [rights, { last, revision }, { streams, problems }] = await Promise.all([
    archive.rights(user),
    archive.counter(channel),
    findStreams(invocation, user, channel),
  ]);
  const id = question.id ?? (revision > 0 ? last : undefined);
  const found = id === undefined ? undefined : await archive.find(channel, id);
  const timeline = new Timeline();
  timeline.replace(rights);
  const isOwn = channel === channelOfUser(user);
  // Channels of a credential and public channels are on no list: the gateway knows, and says so of each stream.
  const isConstant = isOwn || (!timeline.channels.includes(channel) && streams.some(({ reads }) => reads === true));
  const changes = rights.changes.filter((change) => change.channel === channel);
  const isListed = rights.channels.has(channel);
  // The timeline takes a channel without a change for one of the list.
  const isKnown = isListed || changes.length > 0;
  const right: Right = isConstant
    ? { now: true, allows: () => true }
    : { now: isListed, allows: (one) => isKnown && timeline.allows(one) };
  const message = found && 'message' in found ? found.message : undefined;
  const seen = streams.map((stream) => ({ ...stream, fate: message && fateOf(stream, message, right) }));
  const atMessage = message && right.allows(message);
  const answer = {
    ...question,
    id,
    found,
    rights: {
      now: right.now,
      atMessage,
      changes: changes.map(({ kind, place }) => ({ kind, at: formatPlace(place), time: timeOf(place.id) })),
    },
    streams: seen,
    problems,
  };
  return { ...answer, verdict: verdictFor(answer) };
}

function verdictFor({ found, id, rights, streams, channel, problems }: Omit<Answer, 'verdict'>): string {
  if (id === undefined || !found)
    return `nothing is known of ${channel}: no message was recorded there, or it is forgotten`;
  if (!('message' in found)) {
    if (found.gone)
      return `the message is gone from the backlog (${found.gone}): a client that comes back gets a reset`;
    return `${channel} has no message with this id: expected an id of this channel`;
  }
  const fate = verdictOf(streams.map((stream) => stream.fate).filter((one) => one !== undefined));
  if (fate) return `the message ${FATES[fate]}${doubtOf(streams, fate)}`;
  if (rights.atMessage === false) return 'the message was not for this user: the user had no right at its place';
  if (!rights.now)
    return 'the message was for this user, who has no right to the channel any more: it will not be replayed';
  if (problems.length > 0) return 'the message is in the backlog; whether a stream has it is not known (unasked)';
  return `the message is in the backlog for the user, who has had no stream at the gateways that were asked${POLLED}`;
}

/** A gateway keeps no ids of a poll that has ended: there is one for each message, and they would crowd out the streams. */
const POLLED = '; polls that have ended are not remembered: one may have taken it';
/** What is said of a poll that has not taken the message itself, because its client may have made another one before it or since. */
const OF_POLLS = new Set<Fate>(['before', 'closed_before', 'not_begun', 'refused']);

/** What stands behind the verdict. A client whose stream ended as `slow` or `gone` has not read all that was written last. */
function doubtOf(streams: Answer['streams'], fate: Fate): string {
  const such = streams.filter((stream) => stream.fate === fate);
  if (OF_POLLS.has(fate) && such.some(({ transport = 'stream' }) => transport !== 'stream')) return POLLED;
  const reasons = such.map(({ reason = '' }) => reason);
  const isWritten = fate === 'live' || fate === 'replayed';
  if (!isWritten || !reasons.every((reason) => reason === 'slow' || reason === 'gone')) return '';
  return `; the stream ended as ${reasons[0]}, so the client may not have read it, and gets it when it comes back`;
}

function toJson({ found, ...answer }: Answer): object {
  const message = found && ('message' in found ? describe(found) : { gone: found.gone ?? 'unknown' });
  const text = (id: Position | undefined) => (id === undefined ? undefined : String(id));
  const streams = answer.streams.map(({ from, seam, position, ...stream }) => ({
    ...stream,
    ...{ from: text(from), seam: text(seam), position: text(position) },
  }));
  return { ...answer, id: text(answer.id), message, streams };
}

function describe({ message: { id, revision, place, payload } }: Extract<Found, { message: unknown }>): object {
  const isPlain = place.number > 0;
  return {
    id: String(id),
    revision,
    time: timeOf(id),
    place: formatPlace(place),
    plain: isPlain,
    bytes: payload.length,
  };
}

function print({ user, channel, id, found, rights, streams, problems, verdict }: Answer, stdout: Sink): void {
  const say = (head: string, text: string): void => void stdout.write(`${head.padEnd(9)} ${text}\n`);
  say('question', `user ${user}, ${channel}${id === undefined ? '' : `, message ${id} of ${timeOf(id)}`}`);
  if (found && 'message' in found) {
    const { revision, place, payload } = found.message;
    const way = place.number > 0 ? `a plain PUBLISH at ${formatPlace(place)}` : 'a function, HTTP or a command';
    say('message', `recorded as revision ${revision}, ${payload.length} bytes, published by ${way}`);
  } else if (found) say('message', found.gone === undefined ? 'there is none with this id' : `gone: ${found.gone}`);
  const before =
    rights.atMessage === undefined ? '' : `, at the place of the message ${rights.atMessage ? 'yes' : 'no'}`;
  say('right', `now ${rights.now ? 'yes' : 'no'}${before}`);
  for (const { kind, at, time } of rights.changes) say('', `${kind} at ${at} (${time})`);
  for (const { gateway, since, ended, reason, fate } of streams) {
    const end = ended === undefined ? 'open' : `ended ${ended} (${reason})`;
    say('stream', `${gateway}, since ${since}, ${end}${fate ? `: the message ${FATES[fate]}` : ''}`);
  }
  if (streams.length === 0) say('stream', 'none is known');
  for (const problem of problems) say('unasked', problem);
  say('verdict', verdict);
}
