import { suggestion } from './nearest.ts';
import { withoutServiceLinks } from './service-links.ts';
import { type Name, TABLE, VARIABLES } from './variables.ts';

export type Texts = Record<string, string | undefined>;

export interface Setting {
  variable: (typeof VARIABLES)[number];
  /** `undefined` if the variable is not set and has no default. */
  text: string | undefined;
  from: 'flag' | 'environment' | 'default';
}

/** The value of each variable and its source. Values are not checked. */
export function settings(flags: Texts, environment: Texts): Map<Name, Setting> {
  const env = withoutServiceLinks(environment);
  const all = new Map<Name, Setting>();
  for (const variable of VARIABLES) {
    const { name, flag, fallback } = variable;
    if (flags[flag] !== undefined) all.set(name, { variable, text: flags[flag], from: 'flag' });
    else if (env[name] !== undefined) all.set(name, { variable, text: env[name], from: 'environment' });
    else all.set(name, { variable, text: fallback, from: 'default' });
  }
  // With SISYPHUS_AUTH=open every client may name any user, so other machines can connect only if HOST is set explicitly.
  const host = all.get('HOST')!;
  if (host.from === 'default' && all.get('SISYPHUS_AUTH')!.text !== 'open') host.text = '0.0.0.0';
  // A secret in a flag wins over a file in the environment, and the other way round.
  const [secret, file] = [all.get('SISYPHUS_PUBLISH_SECRET')!, all.get('SISYPHUS_PUBLISH_SECRET_FILE')!];
  const loser = secret.from === 'flag' ? file : file.from === 'flag' ? secret : undefined;
  if (loser?.from === 'environment') Object.assign(loser, { text: undefined, from: 'default' });
  // If only one of the two is set, the default of the other follows it, because a message must fit into an empty buffer.
  const buffer = all.get('SISYPHUS_MAX_BUFFER')!;
  const message = all.get('SISYPHUS_MAX_MESSAGE')!;
  if (isLess(buffer.text, message.text)) {
    if (message.from === 'default') message.text = buffer.text;
    else if (buffer.from === 'default') buffer.text = message.text;
  }
  return all;
}

/** A sentence for each flag and each `SISYPHUS_` variable that does not exist, with the name that may be meant. */
export function unknownNames(flags: Texts, env: Texts): string[] {
  const names = VARIABLES.map(({ name }) => name as string);
  const flagNames = VARIABLES.map(({ flag }) => flag);
  return [
    ...Object.keys(flags)
      .filter((flag) => !flagNames.includes(flag))
      .map((flag) => `--${flag} is unknown: ${suggestion(flag, flagNames, '--')}`),
    ...Object.keys(withoutServiceLinks(env))
      .filter((name) => /^SISYPHUS_/i.test(name) && !names.includes(name))
      .map((name) => `${name} is unknown: ${suggestion(name, names)}`),
  ];
}

/** Whether both are sizes, and the first is the smaller one. */
export function isLess(buffer = '', message = ''): boolean {
  try {
    return TABLE.maxBuffer.parse(buffer) < TABLE.maxMessage.parse(message);
  } catch {
    // The error is a Mistake; `loadConfig` reports the invalid value itself.
    return false;
  }
}
