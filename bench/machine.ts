import { cpus, release, totalmem } from 'node:os';
import { firstLine } from './peers/probe.ts';

export interface Machine {
  cpu: string;
  cores: number;
  memory: string;
  system: string;
  node: string;
  redis: string;
  compiler: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `Linux ${release()}`,
    node: process.version,
    redis: /v=(\S+)/.exec(firstLine('redis-server', '--version') ?? '')?.[1] ?? 'none',
    compiler: firstLine('cc', '--version') ?? 'none',
  };
}
