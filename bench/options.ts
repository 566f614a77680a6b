import { parseArgs } from 'node:util';
import { PEERS } from './peers/all.ts';
import type { PeerName } from './peers/peer.ts';

export interface Options {
  /** Beginnings of case names; none is all. */
  cases: string[];
  quick: boolean;
  turns: number;
  seconds: number;
  peers?: PeerName[];
  gateway?: string;
  json: boolean;
  save: boolean;
  list: boolean;
}

export const USAGE = `npm run bench -- [options] [case ...]

  case             beginning of a case's name, such as fan-out or personal/fcall; none: all of them
  --quick          small sizes, one turn: does it work at all
  --turns <n>      turns of each peer, one after the other (default 3)
  --seconds <x>    factor on the length of paced loads (default 1)
  --peers <a,b>    only these of: ${PEERS.map(({ name }) => name).join(', ')}
  --gateway <cmd>  measure this command instead of the built bin/sisyphus serve
  --json           print the results as JSON
  --save           write JSON and a picture per scenario to bench/results
  --list           name the cases`;

export function parseOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      turns: { type: 'string' },
      seconds: { type: 'string', default: '1' },
      peers: { type: 'string' },
      gateway: { type: 'string' },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  const { quick, json, save, list, gateway } = values;
  const turns = Number(values.turns ?? (quick ? 1 : 3));
  const seconds = Number(values.seconds);
  if (!Number.isInteger(turns) || turns < 1) throw new Error('--turns is a whole number from 1');
  if (!(seconds > 0)) throw new Error('--seconds is a number above 0');
  const peers = values.peers?.split(',').map((name) => {
    const peer = PEERS.find((one) => one.name === name);
    if (!peer) throw new Error(`unknown peer ${name}`);
    return peer.name;
  });
  return {
    cases: positionals,
    quick,
    json,
    save,
    list,
    turns,
    seconds,
    ...(gateway && { gateway }),
    ...(peers && { peers }),
  };
}
