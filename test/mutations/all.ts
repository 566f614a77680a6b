import { CHANNEL_MUTATIONS } from './channels.ts';
import { CLIENT_MUTATIONS } from './client.ts';
import { CLIENT_SHAPE_MUTATIONS } from './client-shapes.ts';
import { TAB_MUTATIONS } from './client-tabs.ts';
import { COLLECTION_MUTATIONS } from './collections.ts';
import { COMMAND_MUTATIONS } from './commands.ts';
import { CONFLATION_MUTATIONS } from './conflation.ts';
import { CONSOLE_MUTATIONS } from './console.ts';
import { COUNTING_MUTATIONS } from './counting.ts';
import { DOCUMENT_MUTATIONS } from './documents.ts';
import { FLEET_MUTATIONS } from './fleet.ts';
import { GUIDE_MUTATIONS } from './guides.ts';
import { HOSTILE_MUTATIONS } from './hostile.ts';
import { HTTP_MUTATIONS } from './http.ts';
import { IDENTITY_MUTATIONS } from './identity.ts';
import { INSTALLATION_MUTATIONS } from './installations.ts';
import { LIMIT_MUTATIONS } from './limits.ts';
import { LOG_ADDRESS_MUTATIONS } from './log-addresses.ts';
import { LUA_MUTATIONS } from './lua.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { OLD_PROTOCOL_MUTATIONS } from './old-protocols.ts';
import { OPERATION_MUTATIONS } from './operation.ts';
import { POLL_SESSION_MUTATIONS } from './poll-sessions.ts';
import { RECORDER_MUTATIONS } from './recorder.ts';
import { REDIS_MUTATIONS } from './redis.ts';
import { REFUSING_MUTATIONS } from './refusing.ts';
import { RIGHTS_MUTATIONS } from './rights.ts';
import { RT_MUTATIONS } from './rt.ts';
import { SECRET_MUTATIONS } from './secrets.ts';
import { SHARED_LIMIT_MUTATIONS } from './shared-limits.ts';
import { SLOW_MUTATIONS } from './slow.ts';
import { WORKER_MUTATIONS, WORKER_REPORT_MUTATIONS } from './workers.ts';

/** Every mistake that a test must find, but for those of the fault scenarios. */
export const ALL_MUTATIONS: Mutation[] = [
  ...MUTATIONS,
  ...OPERATION_MUTATIONS,
  ...RECORDER_MUTATIONS,
  ...REDIS_MUTATIONS,
  ...REFUSING_MUTATIONS,
  ...RIGHTS_MUTATIONS,
  ...RT_MUTATIONS,
  ...SLOW_MUTATIONS,
  ...LUA_MUTATIONS,
  ...IDENTITY_MUTATIONS,
  ...SECRET_MUTATIONS,
  ...INSTALLATION_MUTATIONS,
  ...LIMIT_MUTATIONS,
  ...LOG_ADDRESS_MUTATIONS,
  ...SHARED_LIMIT_MUTATIONS,
  ...HOSTILE_MUTATIONS,
  ...HTTP_MUTATIONS,
  ...CHANNEL_MUTATIONS,
  ...CONFLATION_MUTATIONS,
  ...COMMAND_MUTATIONS,
  ...CONSOLE_MUTATIONS,
  ...COUNTING_MUTATIONS,
  ...FLEET_MUTATIONS,
  ...DOCUMENT_MUTATIONS,
  ...GUIDE_MUTATIONS,
  ...POLL_SESSION_MUTATIONS,
  ...CLIENT_SHAPE_MUTATIONS,
  ...COLLECTION_MUTATIONS,
  ...CLIENT_MUTATIONS,
  ...OLD_PROTOCOL_MUTATIONS,
  ...TAB_MUTATIONS,
  ...WORKER_MUTATIONS,
  ...WORKER_REPORT_MUTATIONS,
];
