import { consoleMisfits, contradictions, keyMisfits, redisMisfits } from './contradictions.ts';
import { type RedisTls, tlsMisfits } from './redis-certificates.ts';
import { settings, type Texts, unknownNames } from './settings.ts';
import { Mistake } from './values.ts';
import { type Key, type Row, TABLE, type Values } from './variables.ts';

/** Durations in milliseconds, sizes in bytes. */
export type Config = ReturnType<typeof toConfig>;

/** All problems of the configuration, a sentence each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * Reads the configuration. Flags take precedence over the environment, and the environment over defaults.
 *
 * @param flags by flag name without dashes, as in `VARIABLES`
 * @throws ConfigError with all problems at once
 */
export function loadConfig(flags: Texts, env: Texts): Config {
  const problems = unknownNames(flags, env);
  const values: Partial<Record<Key, unknown>> = {};
  const all = settings(flags, env);
  for (const { variable, text, from } of all.values()) {
    // A message names the setting as the user has set it: as a flag or as a variable.
    const said = from === 'flag' ? `--${variable.flag}` : variable.name;
    try {
      if (text === '' && from !== 'default' && !variable.mayBeEmpty) {
        throw new Mistake('is empty: expected a value, or that it is left out');
      }
      values[variable.key] = text === undefined ? undefined : variable.parse(text);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      problems.push(`${said}${variable.secret || text === '' ? '' : `=${JSON.stringify(text)}`} ${error.message}`);
    }
  }
  problems.push(...contradictions(all), ...keyMisfits(values), ...redisMisfits(all, values), ...consoleMisfits(values));
  if (problems.length > 0) throw new ConfigError(problems);
  return toConfig(values as Values);
}

/**
 * Reads the certificates for Redis anew, from the files that the configuration names.
 *
 * @returns `undefined` if it names no file: a certificate in the variable itself cannot change
 * @throws ConfigError with all problems at once
 */
export function loadCertificates(flags: Texts, env: Texts): RedisTls | undefined {
  const all = settings(flags, env);
  const problems: string[] = [];
  const read = ({ name, parse }: Row<'redisCa' | 'redisCert' | 'redisKey'>): string | undefined => {
    const { text } = all.get(name)!;
    try {
      return text === undefined ? undefined : parse(text);
    } catch (error) {
      if (error instanceof Mistake) problems.push(`${name} ${error.message}`);
      else throw error;
      return undefined;
    }
  };
  const rows = [TABLE.redisCa, TABLE.redisCert, TABLE.redisKey];
  if (!rows.some(({ name }) => all.get(name)!.text?.includes('-----BEGIN') === false)) return undefined;
  const [ca, cert, key] = rows.map(read);
  const found = { ca, cert, key };
  if (problems.length === 0) problems.push(...tlsMisfits(all.get('REDIS_URL')!.text, found));
  if (problems.length > 0) throw new ConfigError(problems);
  return found;
}

function toConfig({ backlogLength: length, backlogTtl: ttl, backlogRules: rules, ...values }: Values) {
  const { publishSecret, publishSecretFile: file } = values;
  const secrets = { publishSecret: publishSecret ?? file?.list, publishSecretFile: file?.path };
  // Everybody may read the channel of a public collection, by its name.
  const open = values.collections.filter(({ isPublic }) => isPublic).map(({ name }) => `collection:${name}`);
  const publicChannels = [...values.publicChannels, ...open];
  const console = (values.consoleSecret === undefined ? 'off' : 'secret') as ConsoleMode;
  return { ...values, ...secrets, publicChannels, console, backlog: { length, ttl, rules } };
}

/** Whether `/console` is served: to nobody, to who knows the secret, or without one to this machine alone. */
export type ConsoleMode = 'off' | 'secret' | 'open';
