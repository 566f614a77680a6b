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
  mix,
].flatMap((file) => Object.values(file));
