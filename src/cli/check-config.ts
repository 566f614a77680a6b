import { loadConfig, SECRETS, settings } from '../config.ts';
import { checkRedis } from './check-redis.ts';
import { type Command, EXIT } from './command.ts';

/** Says what a `serve` with the same flags and environment would use, and where from. */
export const checkConfig: Command = {
  name: 'check-config',
  parameters: '',
  summary: 'says what serve would use, or all that is wrong with it',
  positionals: [0, 0],
  options: {
    redis: { type: 'boolean', meaning: 'tries also what serve needs of the Redis, and says what it weakens' },
  },
  async run({ flags, env, options, stdout }) {
    const config = loadConfig(flags, env);
    for (const [name, { text, from }] of settings(flags, env)) {
      const value = text === undefined ? 'none' : SECRETS.has(name) ? hide(text) : text;
      stdout.write(`${name.padEnd(30)} ${value.padEnd(24)} ${from}\n`);
    }
    if (options.redis === true) return checkRedis(config, stdout);
    return EXIT.ok;
  },
};

/** An address without its password; of anything else nothing. */
function hide(text: string): string {
  return text.includes('://') || text.startsWith('/') ? text.replace(/\/\/.*@/, '//***@') : '***';
}
