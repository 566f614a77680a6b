import type { Socket } from 'node:net';
import type { HttpRequest } from '../auth/http-request.ts';
import type { ChannelNews } from '../connection/rt-news.ts';
import { toRevisionItem } from '../connection/to-json.ts';
import { BEGINNING, formatPosition, type Position } from '../message/position.ts';
import { readNewest } from '../reading/newest.ts';
import type { Session } from '../session/session.ts';
import type { LongPoll, LongPolls } from './long-polls.ts';
import { errorOfReason } from './refusal-error.ts';
import { readPairs } from './rt-query.ts';

/** The header with the id up to which the client has everything on the channels of the poll: a stream may begin there. */
const POSITION = 'Sisyphus-Position';
/** How long the client may take to read an answer (ms). */
export const TAKING = 60_000;

export interface PollAnswer {
  headers: Record<string, string>;
  /** JSON. */
  body: string;
}

/**
 * Answers a long poll, when there is something new, or when its time is over.
 *
 * @returns `undefined` if the client has left
 * @throws SisyphusError
 */
export function pollRevisions(polls: LongPolls, socket: Socket, request: HttpRequest): Promise<PollAnswer | undefined> {
  // What waits is a function of its own, so that it keeps neither the request nor its parameters: 2 KB.
  return begin(polls, socket, request).then((poll) => poll && answer(polls, poll));
}

async function begin(polls: LongPolls, socket: Socket, request: HttpRequest): Promise<LongPoll | undefined> {
  const seen = readPairs(request.query);
  return polls.open(socket, request, seen, { kind: 'revisions', seen });
}

async function answer(polls: LongPolls, poll: LongPoll): Promise<PollAnswer | undefined> {
  poll.response.replayed();
  polls.requireStore(poll.response);
  const outcome = await poll.outcome;
  if ('reason' in outcome) {
    if (outcome.reason === 'client') return undefined;
    throw errorOfReason(outcome.reason, outcome.ending);
  }
  const { news, position, denied } = outcome;
  const bare = [...news].filter(([, { items }]) => items.length === 0).map(([channel]) => channel);
  if (bare.length > 0) await addNewest(polls, poll.session, news, { bare, position });
  const headers: Record<string, string> = { 'Content-Type': 'application/json; charset=utf-8' };
  if (position !== BEGINNING) {
    headers[POSITION] = formatPosition(position);
    headers['Access-Control-Expose-Headers'] = POSITION;
  }
  return { headers, body: encode(news, denied) };
}

/** Adds the last message of channels that were reset and have had no message since: the client takes over its revision. */
async function addNewest(
  { context }: LongPolls,
  session: Session,
  news: ReadonlyMap<string, ChannelNews>,
  { bare, position }: { bare: string[]; position: Position },
): Promise<void> {
  for (const [channel, { revision, message }] of await readNewest(context.backlog, bare, position)) {
    const isAllowed = message && session.allows(message);
    news.get(channel)!.items.push(isAllowed ? toRevisionItem(message) : `{"id":${revision}}`);
  }
}

function encode(news: ReadonlyMap<string, ChannelNews>, denied: readonly string[]): string {
  const members = [...news].map(
    ([channel, { status, items }]) => `${JSON.stringify(channel)}:{"status":"${status}","msg":[${items.join(',')}]}`,
  );
  for (const channel of denied) {
    if (!news.has(channel)) members.push(`${JSON.stringify(channel)}:{"status":"failure","msg":[]}`);
  }
  return `{${members.join(',')}}`;
}
