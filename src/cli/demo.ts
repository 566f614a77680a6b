import type { Publisher } from '../backlog/backlog.ts';
import type { Config } from '../config/config.ts';
import { makeDemoSecret, shownSecret } from '../config/secret-list.ts';
import { THIS_MACHINE } from '../http/origins.ts';
import { mask } from '../mask.ts';
import { PROGRAM } from '../root.ts';
import type { PrivateRedis } from '../store/private-redis.ts';
import { Keys } from '../store/redis/keys.ts';
import type { Sink } from './command.ts';
import { reasonOf } from './reason.ts';

const USER = '1';
const CHANNELS = ['room:1', 'room:2'];
const MESSAGE = `'<message>hello</message>'`;

export interface Demo {
  config: Config;
  /** The port that the gateway listens on; with `PORT=0` the one that it got. */
  port: number;
  publisher: Publisher;
  privateRedis: Pick<PrivateRedis, 'port' | 'url'> | undefined;
  stdout: Sink;
}

/**
 * Adds a publishing secret if the configuration has none, and opens the console to this machine unless that has a secret. A generated
 * publishing secret protects nothing, so the demo may show it. Pages of this machine may read the demo from any port, because one that is
 * being written is served by another server.
 */
export function demoConfig(config: Config): Config {
  const { publishSecret = makeDemoSecret() } = config;
  const origins = [...config.origins, THIS_MACHINE];
  return { ...config, publishSecret, origins, console: config.console === 'off' ? 'open' : config.console };
}

/** Grants the demo user its channels, and prints the commands to try. */
export async function startDemo(demo: Demo): Promise<void> {
  try {
    for (const channel of CHANNELS) await demo.publisher.grant(USER, channel);
  } catch (error) {
    demo.stdout.write(`User ${USER} could not be given ${CHANNELS.join(' and ')}: ${reasonOf(error)}\n`);
  }
  demo.stdout.write(`${linesOf(demo).join('\n')}\n`);
}

function linesOf(demo: Demo): string[] {
  const { config, port, privateRedis } = demo;
  const { host, redisUrl } = config;
  const name = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host) ? 'localhost' : host;
  const url = `http://${name}:${port}`;
  return [
    '',
    `Sisyphus listens on ${url}, and keeps its messages in ${storeOf(redisUrl, privateRedis)}.`,
    '',
    `See it in a browser: ${consoleOf(demo, name)}`,
    '',
    ...(config.auth === 'open' ? watchLines(url) : []),
    'Publish, in another terminal:',
    ...(privateRedis ? redisLines(config, privateRedis.port).map((line) => `  ${line}`) : []),
    `  ${commandOf(config, url, privateRedis)} ${CHANNELS[0]} ${MESSAGE}`,
    '',
    'Ctrl-C ends everything that was started.',
    '',
  ];
}

/** With a port of their own for operators, the console is on that one. */
function consoleOf({ port, config: { adminPort } }: Demo, name: string): string {
  return adminPort === undefined ? `http://${name}:${port}/console` : `http://localhost:${adminPort}/console`;
}

/** In the other modes an address names nobody. */
function watchLines(url: string): string[] {
  return [`Watch as user ${USER}, who follows ${CHANNELS.join(' and ')}:`, `  curl -N '${url}/?user=${USER}'`, ''];
}

function storeOf(redisUrl: string | undefined, privateRedis: Demo['privateRedis']): string {
  if (redisUrl !== undefined) return 'the Redis of REDIS_URL';
  return privateRedis ? `a private Redis on port ${privateRedis.port}` : 'its own memory: they end with it';
}

function redisLines({ namespace, keyPrefix }: Config, port: number): string[] {
  const { declared } = new Keys(namespace, 0);
  return [
    `redis-cli -p ${port} PUBLISH ${shellWord(keyPrefix + CHANNELS[0])} ${MESSAGE}`,
    `redis-cli -p ${port} FCALL sisyphus_publish 1 ${shellWord(declared)} ${CHANNELS[0]} ${MESSAGE}`,
  ];
}

function commandOf(config: Config, url: string, privateRedis: Demo['privateRedis']): string {
  const { redisUrl = privateRedis?.url, namespace, publishSecret, publishSecretFile: file } = config;
  if (redisUrl !== undefined) {
    // If the address has a password, the command names the variable instead, which the other terminal must have set.
    const address = mask(redisUrl) === redisUrl ? shellWord(redisUrl) : '"$REDIS_URL"';
    return `${PROGRAM} publish --redis-url ${address}${namespace === undefined ? '' : ` --namespace ${namespace}`}`;
  }
  if (file !== undefined) return `${PROGRAM} publish --url ${url} --publish-secret-file ${shellWord(file)}`;
  const secret = shownSecret(publishSecret) ?? '"$SISYPHUS_PUBLISH_SECRET"';
  return `${PROGRAM} publish --url ${url} --publish-secret ${secret}`;
}

/** The text as one word of a shell command, quoted only if it has to be. */
function shellWord(text: string): string {
  return /^[\w:./@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
