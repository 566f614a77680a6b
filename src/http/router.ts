import Router from 'koa-router';
import { Snapshots } from '../collection/snapshots.ts';
import type { ClientLimits } from './client-limits.ts';
import type { ConsoleGate } from './console/gate.ts';
import { ReportFeed } from './console/report-feed.ts';
import type { HttpContext } from './context.ts';
import type { Descriptors } from './descriptors.ts';
import type { Identification } from './identification.ts';
import type { LongPolls } from './long-polls.ts';
import { collectionWriter } from './middleware/collection-writer.ts';
import { preflight } from './middleware/cors.ts';
import { publisher } from './middleware/publisher.ts';
import { patchCollection, putCollection } from './routes/change-collection.ts';
import { client } from './routes/client.ts';
import {
  consoleFiles,
  consoleReports,
  consoleRights,
  consoleSession,
  publishDirectly,
  reportReader,
  toConsole,
} from './routes/console.ts';
import { disconnect } from './routes/disconnect.ts';
import { healthz, metrics, readyz, status } from './routes/health.ts';
import { history } from './routes/history.ts';
import { changes, page, snapshot } from './routes/live.ts';
import { position } from './routes/position.ts';
import { publish } from './routes/publish.ts';
import { rights } from './routes/rights.ts';
import { rt, rtForm, rtSync } from './routes/rt.ts';
import type { SockIt } from './routes/sock-it.ts';
import { type OpenStream, postStream, stream } from './routes/stream.ts';
import { streams } from './routes/streams.ts';
import { ping, poll, update } from './routes/sync.ts';
import { mintToken, revokeTokens } from './routes/tokens.ts';

const STREAM = ['/', '/stream'];
/** The address at which a browser that wants a page is redirected to the console. */
const HOME = ['/'];

export interface RouterOptions {
  openStream: OpenStream;
  descriptors: Descriptors;
  limits: ClientLimits;
  identification: Identification;
  /** `undefined`: the protocol is not served. */
  polls: LongPolls | undefined;
  /** Whether the mode of `SISYPHUS_AUTH` reads the header `Authorization`. */
  readsBearer: boolean;
  console: ConsoleDoor;
  /** `undefined` if the protocol is off. */
  sockIt: SockIt | undefined;
}

export interface ConsoleDoor {
  gate: ConsoleGate;
  /** Opens streams by the console's own right. */
  openStream: OpenStream;
  onFailure: (error: unknown) => void;
}

export function createRouter(context: HttpContext, options: RouterOptions): Router {
  const { openStream } = options;
  const router = emptyRouter();
  const isOpen = context.config.adminPort === undefined;

  if (isOpen && options.console.gate.isOn) router.get(HOME, toConsole);
  router.get(STREAM, stream(openStream));
  router.head(STREAM, stream(openStream));
  router.post('/stream', postStream(openStream, context.maxMessage));
  router.options(STREAM, preflight);

  if (options.sockIt) routeSockIt(router, options.sockIt);
  router.get('/channels/:channel/messages', history(context, options));
  const snapshots = new Snapshots(context.collections);
  router.get('/live', page(context));
  router.get('/live/:collection', snapshot(context, options, snapshots));
  router.get('/live/:collection/events', changes(context, openStream, snapshots));
  if (context.config.protocols.includes('sync')) routeSync(router, context, options);
  router.get('/position', position(context));
  const clients = client();
  router.get('/client.js', clients);
  router.get('/client/:file', clients);
  if (options.polls) routeRt(router, context, options.polls);
  routeHealth(router, context);
  if (isOpen) routeAdmin(router, context, options);
  return router;
}

/** The routes of `SISYPHUS_ADMIN_PORT`. */
export function createAdminRouter(context: HttpContext, options: RouterOptions): Router {
  const router = emptyRouter();
  if (options.console.gate.isOn) router.get(HOME, toConsole);
  routeHealth(router, context);
  routeAdmin(router, context, options);
  return router;
}

/** A proxy compares paths exactly: what it keeps from the public must not be reached in capitals, or with a slash at the end. */
function emptyRouter(): Router {
  return new Router({ sensitive: true, strict: true });
}

function routeHealth(router: Router, context: HttpContext): void {
  router.get('/healthz', healthz);
  router.get('/readyz', readyz(context));
}

/** What is for publishers and operators, and for no browser. */
function routeAdmin(router: Router, context: HttpContext, options: RouterOptions): void {
  const { limits: clients, sockIt } = options;
  const { config, counters, isDraining, sharedLimits } = context;
  const rate = sharedLimits.rate('publishes', config.maxPublishes, 1);
  const publishers = publisher(context.secrets, isDraining, { clients, counters, rate });

  router.post('/publish', publishers, publish(context));
  router.post('/grant', publishers, rights(context, 'grant'));
  router.post('/revoke', publishers, rights(context, 'revoke'));
  router.post('/disconnect', publishers, disconnect(context));
  router.post('/tokens', publishers, mintToken(context));
  router.delete('/tokens', publishers, revokeTokens(context));
  if (sockIt) router.post('/sock.it/:session/send', publishers, sockIt.send);
  router.get('/streams', publishers, streams(context));
  const writers = collectionWriter(context, publishers);
  router.put('/live/:collection', writers, putCollection(context));
  router.patch('/live/:collection', writers, patchCollection(context));
  router.get('/status', status(context));
  router.get('/metrics', metrics(context));
  if (options.console.gate.isOn) routeConsole(router, context, options.console);
}

/** Everything but the page, its files and the log-in is behind the gate. */
function routeConsole(router: Router, context: HttpContext, { gate, openStream, onFailure }: ConsoleDoor): void {
  const { enter } = gate;
  const files = consoleFiles();
  const feed = new ReportFeed({ read: reportReader(context), isDraining: context.isDraining, onFailure });
  router.get('/console', files);
  router.get('/console/files/:name', files);
  router.post('/console/login', gate.login);
  router.post('/console/logout', gate.logout);
  router.get('/console/session', enter, consoleSession(context));
  router.get('/console/stream', enter, stream(openStream));
  router.get('/console/reports', enter, consoleReports(feed));
  router.get('/console/position', enter, position(context));
  router.get('/console/rights', enter, consoleRights(context));
  router.post('/console/publish', enter, publish(context));
  router.post('/console/fcall', enter, publishDirectly(context, 'fcall'));
  router.post('/console/plain', enter, publishDirectly(context, 'plain'));
  router.post('/console/grant', enter, rights(context, 'grant'));
  router.post('/console/revoke', enter, rights(context, 'revoke'));
  router.post('/console/disconnect', enter, disconnect(context));
}

function routeSync(router: Router, context: HttpContext, options: RouterOptions): void {
  const [polls, updates] = [poll(context, options), update(context, options)];
  router.get('/poll', polls);
  router.get('/sync/:collection/poll', polls);
  router.post('/update', updates);
  router.post('/sync/:collection/update', updates);
  router.get('/__ping', ping);
}

function routeRt(router: Router, context: HttpContext, polls: LongPolls): void {
  router.get('/rt', rt(polls));
  router.post('/rt', rtForm(polls, context.maxMessage));
  router.get('/rt/sync', rtSync(polls));
  router.options(['/rt', '/rt/sync'], preflight);
}

function routeSockIt(router: Router, sockIt: SockIt): void {
  router.post('/sock.it/poll-start', sockIt.start);
  router.post('/sock.it/:session/poll', sockIt.poll);
  router.post('/sock.it/:session/poll-msg', sockIt.receive);
  router.options(['/sock.it/poll-start', '/sock.it/:session/poll', '/sock.it/:session/poll-msg'], preflight);
}
