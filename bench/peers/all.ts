import { centrifugo } from './centrifugo.ts';
import { loop } from './loop.ts';
import { mercure } from './mercure.ts';
import { nchan, nchanRedis } from './nchan.ts';
import type { Peer } from './peer.ts';
import { pushpin } from './pushpin.ts';
import { sisyphus } from './sisyphus.ts';

export const PEERS: readonly Peer[] = [sisyphus, nchan, nchanRedis, loop, pushpin, mercure, centrifugo];
