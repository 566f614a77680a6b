import type { Readable } from 'node:stream';
import type { Sink } from './command.ts';

/**
 * Hands on what a worker writes, in whole lines. Only the primary has the outputs, because a descriptor that processes
 * share becomes blocking for all of them when Node starts or ends in one, and because the lines must not mix.
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
