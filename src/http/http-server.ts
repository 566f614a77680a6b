import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import Koa from 'koa';
import type Router from 'koa-router';
import { ACCESS_TOKEN } from '../auth/credential.ts';
import { createAuthenticator } from '../auth/modes.ts';
import { Failures } from '../repeats.ts';
import { BoundedLog } from './bounded-log.ts';
import { ClientLimits } from './client-limits.ts';
import { ConsoleGate } from './console/gate.ts';
import type { HttpContext } from './context.ts';
import { ErrorAnswers } from './error-answers.ts';
import { createAdmission, warnOfFileLimit } from './file-limit.ts';
import { MAX_READ } from './head-size.ts';
import { Identification } from './identification.ts';
import { keepConnections } from './keep-alive.ts';
import { LongPolls } from './long-polls.ts';
import { cors } from './middleware/cors.ts';
import { errors } from './middleware/errors.ts';
import { requireHead } from './middleware/head.ts';
import { lastAnswer } from './middleware/last-answer.ts';
import { pageHeaders } from './middleware/page-headers.ts';
import { sameSite } from './middleware/same-site.ts';
import { PendingHeads } from './pending-heads.ts';
import { listenForRequests } from './requests.ts';
import { type ConsoleDoor, createAdminRouter, createRouter } from './router.ts';
import { type StreamOpenerOptions, streamOpener } from './routes/stream.ts';
import { RtDoor } from './rt-door.ts';
import { createSockIt } from './sock-it.ts';
import { openStreamDoor } from './stream-door.ts';
import { StreamHeads } from './stream-head.ts';
import { answerUnfinished, answerUnreadable } from './unreadable.ts';

/** How long a client may take to send its first bytes, and the head of each request (ms). */
const PATIENCE = 10_000;

const SERVER_OPTIONS = {
  maxHeaderSize: MAX_READ,
  headersTimeout: PATIENCE,
  requestTimeout: 15_000,
  // Node checks every 30 s by default: a late request would be answered after up to 45 s.
  connectionsCheckingInterval: 1000,
  // `requireHead` checks it, because Node's own 400 has no body and no log line.
  requireHostHeader: false,
};

export interface Servers {
  server: Server;
  /** For publishers and operators, if they have a port of their own. */
  admin: Server | undefined;
}

/** Creates the HTTP servers; the caller makes them listen. */
export function createHttpServers(context: HttpContext): Servers {
  const { config, counters, descriptors, hub, logger } = context;
  const log = new BoundedLog(logger);
  const tell = (reason: string): void => log.warnOnce(reason, { event: 'identity_problem', reason });
  const authenticator = createAuthenticator(config, tell, context.tokens);
  context.sessions.onDisconnect = (user) => authenticator.forget?.(user);
  const heads = new StreamHeads(config.origins);
  const limits = new ClientLimits(config, context.sharedLimits);
  const addressOf = (socket: Socket): string | undefined => limits.shownOf(socket);
  const pending = new PendingHeads({ counters, log, addressOf });
  const identification = new Identification({ authenticator, logger, atATime: config.maxStreams });
  const openStream = streamOpener(context, { authenticator, heads, log, limits, descriptors });
  const readsBearer = authenticator.parameters.includes(ACCESS_TOKEN);
  const parts = { openStream, descriptors, limits, identification };
  const hasPolls = config.protocols.includes('rt');
  const polls = hasPolls ? new LongPolls(context, { authenticator, limits, descriptors, log }) : undefined;
  const answers = new ErrorAnswers(logger, log, limits);
  const sockIt = createSockIt(context, { authenticator, identification, limits, descriptors, log });
  const routing = {
    ...parts,
    readsBearer,
    polls,
    sockIt,
    console: openConsole(context, { heads, log, limits, descriptors }),
  };
  const router = createRouter(context, routing);
  const server = createServer(SERVER_OPTIONS);
  // By default Node drops every header after the 2,000th without an error; `Last-Event-ID` may be among them.
  server.maxHeadersCount = 0;
  listenForRequests(
    server,
    createKoa(context, router, answers, foundBeside(config.adminPort)).callback(),
    openStream,
    pending,
  );
  const unreadable = { log, heads, counters, addressOf, position: () => hub.position };
  answerUnreadable(server, unreadable);
  keepConnections(server);
  const rtDoor = polls && new RtDoor(polls, answers);
  openStreamDoor(server, PATIENCE, openStream, {
    unfinished: (socket, reason) => answerUnfinished(socket, reason, unreadable),
    admits: createAdmission(server, descriptors, counters, log, pending),
    pending,
    poll: rtDoor && ((socket, request, next) => rtDoor.open(socket, request, next)),
  });
  server.on('listening', () => warnOfFileLimit(descriptors, config.maxStreams, logger));
  tellOfErrors(server, log);
  if (config.adminPort === undefined) return { server, admin: undefined };
  const admin = createServer(
    SERVER_OPTIONS,
    createKoa(context, createAdminRouter(context, routing), answers, FOUND_BY_OPERATORS).callback(),
  );
  answerUnreadable(admin, unreadable);
  keepConnections(admin);
  tellOfErrors(admin, log);
  return { server, admin };
}

function openConsole(context: HttpContext, parts: Omit<StreamOpenerOptions, 'authenticator'>): ConsoleDoor {
  const { config, isDraining, logger } = context;
  const gate = new ConsoleGate({ config, limits: context.sharedLimits, isDraining, log: parts.log });
  const failures = new Failures(logger);
  return {
    gate,
    openStream: streamOpener(context, { ...parts, authenticator: gate.authenticator }),
    onFailure: (error) => failures.log('report_failed', error),
  };
}

/** What a 404 says of each port: that of operators has no streams, and beside it the other one has streams only. */
const FOUND_BY_OPERATORS = 'publishers and operators are answered on this port, and streams on PORT';

function foundBeside(adminPort: number | undefined): string {
  const stream = 'GET /?user=7 opens a stream';
  return adminPort === undefined
    ? stream
    : `${stream}, and publishers and operators are answered on SISYPHUS_ADMIN_PORT`;
}

function tellOfErrors(server: Server, log: BoundedLog): void {
  server.on('error', (error: NodeJS.ErrnoException) => {
    // Errors before the server listens reach the caller of `listen`.
    if (server.listening) log.warn({ event: 'accept_failed', reason: error.message });
  });
}

function createKoa(context: HttpContext, router: Router, answers: ErrorAnswers, found: string): Koa {
  const app = new Koa();
  app.silent = true;
  app.use(lastAnswer(context.isDraining));
  app.use(pageHeaders);
  app.use(errors(answers, found));
  app.use(requireHead);
  app.use(cors(context.config.origins));
  app.use(sameSite);
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}
