import { compileGlob } from '../glob.ts';

/** Tells which channels everybody may read. The channels of a user are never among them, whatever the patterns say. */
export function publicTest(patterns: readonly string[]): (channel: string) => boolean {
  const globs = patterns.map(compileGlob);
  return (channel) => !channel.startsWith('user:') && globs.some((glob) => glob(channel));
}
