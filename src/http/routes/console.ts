import type { Context, Next } from 'koa';
import type { DirectPublisher } from '../../backlog/direct-publisher.ts';
import { shownSecret } from '../../config/secret-list.ts';
import { SisyphusError } from '../../errors.ts';
import { requireUser } from '../../message/names.ts';
import { CONSOLE_HEADERS, readConsoleFiles } from '../console/page.ts';
import { consoleReport } from '../console/report.ts';
import type { ReportFeed } from '../console/report-feed.ts';
import type { HttpContext } from '../context.ts';
import { parsePublications } from '../publications.ts';
import { readBody } from '../read-body.ts';
import { answerFile } from '../served-file.ts';
import { resultOf } from './publish.ts';

const PAGE = 'console.html';

/** GET / of a browser that wants a page: leads to the console. The address is relative, because a proxy may put the gateway below a path. */
export async function toConsole(ctx: Context, next: Next): Promise<void> {
  const accept = ctx.get('Accept');
  if (ctx.method !== 'GET' || ctx.url !== '/' || !isForPage(accept)) return next();
  ctx.vary('Accept');
  ctx.redirect('console');
}

/** Whether the header `Accept` is that of a browser that opens an address. An EventSource asks for a stream. */
export function isForPage(accept: string): boolean {
  return /\btext\/html\b/i.test(accept) && !/\btext\/event-stream\b/i.test(accept);
}

/** GET /console and GET /console/files/<name>: the page and what belongs to it. */
export function consoleFiles(): (ctx: Context) => void {
  const files = readConsoleFiles();
  return (ctx) => {
    const name = (ctx.params.name as string | undefined) ?? PAGE;
    const file = name === PAGE && ctx.params.name ? undefined : files.get(name);
    if (!file) throw new SisyphusError('not_found', 'the console has no such file');
    ctx.set(CONSOLE_HEADERS);
    answerFile(ctx, file, file.type);
  };
}

/** GET /console/session: what the page has to know of the gateway; only who is let in gets it. */
export function consoleSession({ config, version, store, fleet, direct }: HttpContext): (ctx: Context) => void {
  const { auth, rights, publicChannels, backlog, keyPrefix, port } = config;
  const isDemo = config.console === 'open';
  return (ctx) => {
    ctx.body = {
      ...{ version, store, auth, rights, publicChannels, keyPrefix, port },
      isOnAdminPort: config.adminPort !== undefined,
      gateway: fleet?.name,
      isDemo,
      demoSecret: isDemo ? shownSecret(config.publishSecret) : undefined,
      backlogLength: backlog.length,
      recordsPlain: config.rawChannels.length > 0,
      redis: direct && { command: direct.command, key: direct.key },
    };
  };
}

/** GET /console/reports: a report each second. */
export function consoleReports(feed: ReportFeed): (ctx: Context) => void {
  return (ctx) => {
    feed.add(ctx.res, ctx.state.end as number | undefined);
    ctx.respond = false;
  };
}

/** Reads what `consoleReports` sends. */
export function reportReader({ gather, fleet }: HttpContext): () => Promise<object> {
  return async () => {
    const [gathered, reports] = await Promise.all([gather(), fleet?.look() ?? []]);
    return consoleReport(gathered, reports);
  };
}

/** POST /console/fcall and /console/plain: publishes one message as an application would that talks to Redis itself. */
export function publishDirectly(context: HttpContext, way: 'fcall' | 'plain'): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const direct = requireDirect(context.direct);
    const maxMessage = context.maxMessage();
    const body = await readBody(ctx.req, maxMessage);
    const { publications, single } = parsePublications(ctx.get('Content-Type'), body, { maxMessage });
    const [publication] = publications;
    if (!single || !publication) throw new SisyphusError('bad_request', 'several messages: expected one');
    if (way === 'fcall') ctx.body = resultOf(await direct.callFunction(publication));
    else {
      if (publication.event !== undefined) {
        throw new SisyphusError('bad_event', 'a plain PUBLISH has no event: expected none, or another way');
      }
      const { channel, data } = publication;
      ctx.body = { channel, receivers: await direct.publish(channel, data) };
    }
  };
}

function requireDirect(direct: DirectPublisher | undefined): DirectPublisher {
  if (direct) return direct;
  throw new SisyphusError('unavailable', 'there is no Redis: expected a message over HTTP');
}

/** GET /console/rights?user=: which channels the user may follow by the list in the store. */
export function consoleRights({ backlog }: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const user = requireUser(ctx.query.user);
    const [rights] = await backlog.rights([{ user }]);
    ctx.body = { user, channels: [...(rights?.channels.keys() ?? [])].sort(), problem: rights?.problem };
  };
}
