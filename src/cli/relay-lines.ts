import type { Readable } from 'node:stream';
import type { Sink } from './command.ts';

/**
 * Passes a worker's output to one of the primary, in whole lines. Workers do not write to the primary's outputs themselves: if Node
 * starts or ends in one of several processes that share a descriptor, it becomes blocking for all of them, and lines would mix.
 */
export function relayLines(from: Readable, to: Sink): void {
  let rest = '';
  from.setEncoding('utf8');
  from.on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) to.write(rest + text.slice(0, end));
    rest = end > 0 ? text.slice(end) : rest + text;
  });
  from.on('end', () => {
    if (rest !== '') to.write(`${rest}\n`);
  });
}
