import { INSTALLATION_MUTATIONS } from './installations.ts';
import { LUA_MUTATIONS } from './lua.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { OPERATION_MUTATIONS } from './operation.ts';
import { RECORDER_MUTATIONS } from './recorder.ts';
import { RIGHTS_MUTATIONS } from './rights.ts';

/** Every mistake that a test must find, but for those of the fault scenarios. */
export const ALL_MUTATIONS: Mutation[] = [
  ...MUTATIONS,
  ...OPERATION_MUTATIONS,
  ...RECORDER_MUTATIONS,
  ...RIGHTS_MUTATIONS,
  ...LUA_MUTATIONS,
  ...INSTALLATION_MUTATIONS,
];
