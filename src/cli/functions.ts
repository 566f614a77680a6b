import { loadConfig } from '../config/config.ts';
import { ensureFunctions } from '../store/redis/connect.ts';
import { LIBRARY } from '../store/redis/library.ts';
import { targetOf } from '../store/redis/target.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { onlyMine } from './own-variables.ts';

export const functions: Command = {
  name: 'functions',
  parameters: 'load|print',
  summary: 'loads the functions into Redis, before any gateway runs, or prints them; an older version is replaced',
  positionals: [1, 1],
  options: {},
  async run({ positionals: [verb], flags, env, stdout }) {
    if (verb === 'print') {
      stdout.write(LIBRARY);
      return EXIT.ok;
    }
    if (verb !== 'load') throw new UsageError(`${JSON.stringify(verb)}: expected load or print`);
    const config = loadConfig(flags, onlyMine(env));
    const target = targetOf(config);
    if (target === undefined)
      throw new UsageError('functions are loaded into Redis: expected REDIS_URL or --redis-url');
    const { before, now } = await ensureFunctions(target, config.namespace);
    const was = before === now ? 'was there' : before === 0 ? 'was loaded' : `was loaded in place of ${before}`;
    stdout.write(`version ${now} ${was}\n`);
    return EXIT.ok;
  },
};
