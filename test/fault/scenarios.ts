import type { Scenario } from './scenario.ts';
import * as away from './scenarios/away.ts';
import * as calm from './scenarios/calm.ts';
import * as connections from './scenarios/connections.ts';
import * as failover from './scenarios/failover.ts';
import * as gateways from './scenarios/gateways.ts';
import * as links from './scenarios/links.ts';
import * as mix from './scenarios/mix.ts';
import * as names from './scenarios/names.ts';
import * as recorder from './scenarios/recorder.ts';
import * as redis from './scenarios/redis.ts';
import * as refusing from './scenarios/refusing.ts';
import * as replays from './scenarios/replays.ts';
import * as rights from './scenarios/rights.ts';
import * as starved from './scenarios/starved.ts';
import * as store from './scenarios/store.ts';
import * as unheard from './scenarios/unheard.ts';

/** Every scenario there is; a new one is an export of its file. */
export const SCENARIOS: Scenario[] = [
  calm,
  gateways,
  connections,
  links,
  recorder,
  redis,
  names,
  failover,
  unheard,
  away,
  refusing,
  store,
  starved,
  replays,
  rights,
  mix,
].flatMap((file) => Object.values(file));
