import { COUNTING_MUTATIONS } from './counting.ts';
import { DOCUMENT_MUTATIONS } from './documents.ts';
import { FLEET_MUTATIONS } from './fleet.ts';
import { HTTP_MUTATIONS } from './http.ts';
import { IDENTITY_MUTATIONS } from './identity.ts';
import { INSTALLATION_MUTATIONS } from './installations.ts';
import { LUA_MUTATIONS } from './lua.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { OPERATION_MUTATIONS } from './operation.ts';
import { RECORDER_MUTATIONS } from './recorder.ts';
import { REFUSING_MUTATIONS } from './refusing.ts';
import { RIGHTS_MUTATIONS } from './rights.ts';
import { SLOW_MUTATIONS } from './slow.ts';

/** Every mistake that a test must find, but for those of the fault scenarios. */
export const ALL_MUTATIONS: Mutation[] = [
  ...MUTATIONS,
  ...OPERATION_MUTATIONS,
  ...RECORDER_MUTATIONS,
  ...REFUSING_MUTATIONS,
  ...RIGHTS_MUTATIONS,
  ...SLOW_MUTATIONS,
  ...LUA_MUTATIONS,
  ...IDENTITY_MUTATIONS,
  ...INSTALLATION_MUTATIONS,
  ...HTTP_MUTATIONS,
  ...COUNTING_MUTATIONS,
  ...FLEET_MUTATIONS,
  ...DOCUMENT_MUTATIONS,
];
