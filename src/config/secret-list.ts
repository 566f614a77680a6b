import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { Mistake, patterns, secret } from './values.ts';

/** A secret that publishers bring in `Authorization: Bearer`. */
export interface PublishSecret {
  /** What the log and errors call it. */
  name: string;
  text: string;
  /** Patterns of the channels that it may publish to; `undefined`: all channels. */
  channels: string[] | undefined;
}

/** Secrets, and the text that they were read from, without its comments. */
export interface SecretList {
  /** `parseSecretList` reads the same secrets from it. */
  text: string;
  secrets: PublishSecret[];
}

/** A file that the secrets are in. */
export interface SecretFile {
  path: string;
  list: SecretList;
}

/** The name of a secret that was given none. */
const UNNAMED = 'default';
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
/** The largest file (bytes): all of it must fit into one variable of a worker's environment (Linux: 128 KB). */
const MAX_FILE = 65_536;
/** Each request is compared with all secrets. */
const MAX_SECRETS = 100;
/** In a value of one line, a text behind a colon that is shorter than this is no secret of its own: it could be guessed. */
const LEAST_ALONE = 6;

/**
 * Parses one secret, or a list of them: one a line, `name:secret` or `name:secret:patterns`. Empty lines and lines that begin with `#` are
 * passed over. No message quotes the text.
 *
 * A text without a line break is what the variable held before there were lists, so it counts as a whole, with its colons. See `readLone`.
 */
export function parseSecretList(text: string): SecretList {
  if (!/[\r\n]/.test(text)) return { text, secrets: readLone(text) };
  const lines = text
    .split(/\r\n|\r|\n/)
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new Mistake('has no secret: expected name:secret, one a line');
  if (lines.length > MAX_SECRETS) throw new Mistake(`has ${lines.length} secrets: expected up to ${MAX_SECRETS}`);
  const [first] = lines;
  const isPlain = lines.length === 1 && !first!.line.includes(':');
  const secrets = isPlain ? [plain(first!.line)] : readLines(lines);
  return { text: `${lines.map(({ line }) => line).join('\n')}\n`, secrets };
}

/** A secret for a demo that was given none. It protects nothing, because the demo shows it. */
export function makeDemoSecret(): SecretList {
  return parseSecretList(`demo-${randomBytes(9).toString('base64url')}`);
}

/** The secret if `makeDemoSecret` has made it, which may be shown. */
export function shownSecret(list: SecretList | undefined): string | undefined {
  return list && /^demo-[\w-]{12}$/.test(list.text) ? list.text : undefined;
}

/** Reads a file of secrets. In a file a line with a colon always has a name. @throws Mistake that does not quote what the file holds */
export function readSecretFile(path: string): SecretFile {
  let text: string;
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new Mistake('is no file: expected one with name:secret in each line');
    if (stats.size > MAX_FILE) throw new Mistake(`has ${stats.size} bytes: expected up to ${MAX_FILE}`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Mistake) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new Mistake(`cannot be read (${code}): expected a file with name:secret in each line`);
  }
  // Some editors begin a file with a byte order mark.
  return { path, list: parseSecretList(`${text.replace(/^\uFEFF/, '')}\n`) };
}

/**
 * A value of one line with a colon may be a named secret, or one from before there were names. `name:secret` counts both ways, with the same
 * rights. `name:secret:patterns` counts as such only if the patterns have a `*` or a colon: the whole text would be a way around them.
 */
function readLone(text: string): PublishSecret[] {
  const whole = plain(text);
  const named = text.includes(':') ? readLine(text) : undefined;
  if (named === undefined || typeof named === 'string' || named.text.length < LEAST_ALONE) return [whole];
  if (named.channels === undefined) return [{ ...whole, name: named.name }, named];
  return named.channels.some((pattern) => /[*:]/.test(pattern)) ? [named] : [whole];
}

function plain(text: string): PublishSecret {
  return { name: UNNAMED, text: secret(text), channels: undefined };
}

function readLines(lines: { line: string; number: number }[]): PublishSecret[] {
  const problems: string[] = [];
  const secrets: PublishSecret[] = [];
  const [names, texts] = [new Map<string, number>(), new Map<string, number>()];
  for (const { line, number } of lines) {
    const read = readLine(line);
    if (typeof read === 'string') {
      problems.push(`line ${number} ${read}`);
      continue;
    }
    const [sameName, sameText] = [names.get(read.name), texts.get(read.text)];
    if (sameName !== undefined) problems.push(`lines ${sameName} and ${number} have the same name`);
    if (sameText !== undefined) problems.push(`lines ${sameText} and ${number} have the same secret`);
    names.set(read.name, number);
    texts.set(read.text, number);
    secrets.push(read);
  }
  if (problems.length > 0) throw new Mistake(`is no list of secrets: ${problems.join('; ')}`);
  return secrets;
}

/** @returns the secret, or what is wrong with the line */
function readLine(line: string): PublishSecret | string {
  const [, name = '', text = '', rest] = /^([^:]*):([^:]*)(?::(.*))?$/.exec(line) ?? [];
  if (!line.includes(':')) return 'has no colon: expected name:secret or name:secret:patterns';
  if (!NAME.test(name)) return 'has no valid name: expected 1 to 64 of A-Z a-z 0-9 _ . - before the first colon';
  try {
    secret(text);
  } catch {
    return 'has no valid secret: expected 1 to 512 visible ASCII characters without spaces and colons';
  }
  try {
    const channels = rest === undefined ? undefined : patterns(rest);
    if (channels?.length !== 0) return { name, text, channels };
  } catch {
    // The error would quote the text, which may be the end of a secret with a colon in it.
  }
  return 'has no valid patterns: expected patterns of Redis, separated by commas, such as room:*,user:*';
}
