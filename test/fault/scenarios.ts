import type { Scenario } from './scenario.ts';
import * as calm from './scenarios/calm.ts';
import * as connections from './scenarios/connections.ts';
import * as gateways from './scenarios/gateways.ts';
import * as links from './scenarios/links.ts';
import * as recorder from './scenarios/recorder.ts';

/** Every scenario there is; a new one is an export of its file. */
export const SCENARIOS: Scenario[] = [calm, gateways, connections, links, recorder].flatMap((file) =>
  Object.values(file),
);
