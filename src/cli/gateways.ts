import { loadConfig } from '../config/config.ts';
import type { Texts } from '../config/settings.ts';
import { gatewayUrl } from '../config/values.ts';
import { UsageError } from './command.ts';
import { gatewayAddress } from './gateway-address.ts';
import { askGateway } from './gateway-answer.ts';
import { onlyMine } from './own-variables.ts';
import { usage } from './publish.ts';
import { secretFor } from './publisher.ts';

/** A worker is asked at most so many times more often than there are workers: which one answers is the system's choice. */
const TRIES = 4;

export interface Gateways {
  /** Each one's address. */
  urls: string[];
  /** A publish secret for the channels; `undefined` if none is configured. */
  secretFor(channels: string[]): string | undefined;
}

/** The gateways that the commands ask: those of `--gateways`, else the one of `gatewayAddress`. */
export function gatewaysOf(flags: Texts, env: Texts, listed: string | boolean | undefined): Gateways {
  const { publishSecret } = loadConfig(flags, onlyMine(env));
  const urls = typeof listed === 'string' ? listed.split(',').map((one) => usage(() => namedUrl(one.trim()))) : [];
  if (listed !== undefined && urls.length === 0) {
    throw new UsageError('--gateways: expected addresses with commas between, such as http://a:3001,http://b:3001');
  }
  return {
    urls: urls.length > 0 ? urls : [gatewayAddress('operators', flags, env)],
    secretFor: (channels) => publishSecret && secretFor(publishSecret, channels),
  };
}

function namedUrl(text: string): string {
  try {
    return gatewayUrl(text);
  } catch (error) {
    throw new UsageError(`--gateways: ${JSON.stringify(text)} ${(error as Error).message}`, { cause: error });
  }
}

/** An answer of one process of a gateway. */
export interface ProcessAnswer extends Record<string, unknown> {
  /** Names the process. */
  gateway: string;
}

/** Asks every process of a gateway: each connection leads to another worker. Answers those that have answered. */
export async function askWorkers(url: string, secret: string): Promise<ProcessAnswer[]> {
  const answers = new Map<string, ProcessAnswer>();
  for (let tries = 0, workers = 1; answers.size < workers && tries < workers * TRIES; tries++) {
    const answer = (await askGateway(url, { secret })) as ProcessAnswer;
    answers.set(answer.gateway, answer);
    workers = Number(answer.workers ?? 1);
  }
  return [...answers.values()];
}
