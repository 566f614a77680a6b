import { type Config, ConfigError, loadConfig } from '../config/config.ts';
import { settings } from '../config/settings.ts';
import { exposureOf, shortSecret, unshared } from '../exposure.ts';
import { mask } from '../mask.ts';
import { startPrivateRedis } from '../store/private-redis.ts';
import { closeConnection, openConnection } from '../store/redis/connection.ts';
import { targetOf } from '../store/redis/target.ts';
import { tryAddress } from './address.ts';
import { checkRedis } from './check-redis.ts';
import { type Command, EXIT } from './command.ts';
import { needsRedis } from './primary.ts';
import { surroundingsOf } from './serve.ts';

/** Prints each value that `serve` with the same flags and environment would use, and its source; or fails with all problems. */
export const checkConfig: Command = {
  name: 'check-config',
  isAboutGateway: true,
  parameters: '',
  summary: 'says what serve would use, or all that is wrong with it',
  positionals: [0, 0],
  options: {
    redis: { type: 'boolean', meaning: 'tries also what serve needs of the Redis, and says what it weakens' },
  },
  async run({ flags, env, options, stdout, stderr }) {
    const config = loadConfig(flags, env);
    const [{ address, problem, notes }, redisProblem] = await Promise.all([tryAddress(config), tryRedis(config)]);
    const problems = [problem, redisProblem].filter((text) => text !== undefined);
    if (problems.length > 0) throw new ConfigError(problems);
    for (const [name, { variable, text, from }] of settings(flags, env)) {
      const value = text && variable.secret ? hide(text, variable.secret) : text || 'none';
      stdout.write(`${name.padEnd(34)} ${value.padEnd(24)} ${from}\n`);
    }
    const exposures = [
      address === undefined ? undefined : exposureOf(config, address),
      shortSecret(config),
      unshared(config),
    ];
    const warnings = [...exposures.filter((text) => text !== undefined), ...surroundingsOf(config, flags, env)];
    for (const text of [...warnings, ...notes]) stderr.write(`sisyphus: warning: ${text}\n`);
    if (options.redis === true) return checkRedis(config, stdout);
    return EXIT.ok;
  },
};

/** Opens the Redis that `serve` would use, and closes it again. @returns why that failed, or `undefined` */
async function tryRedis(config: Config): Promise<string | undefined> {
  try {
    const target = targetOf(config);
    if (target !== undefined) {
      // A Redis that does not answer is no problem of the configuration: `serve` starts all the same, and waits for it.
      await closeConnection(openConnection(target, 'check'));
      return undefined;
    }
    const privateRedis = await startPrivateRedis();
    await privateRedis?.close();
    return privateRedis || config.workers === 1 ? undefined : needsRedis(config);
  } catch (error) {
    return `${config.redisUrl === undefined ? '' : 'REDIS_URL: '}${(error as Error).message}`;
  }
}

/** An address with its secrets masked; any other secret value is replaced as a whole, because it may look like an address. */
function hide(text: string, secret: true | 'address' | 'pem' | 'json'): string {
  if (secret === 'address') return mask(text);
  const isPath = secret === 'pem' ? !text.includes('-----BEGIN') : secret === 'json' && !/^\s*[{[]/.test(text);
  return isPath ? text : '***';
}
