import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  isAccessRefusal,
  isAlreadyLoaded,
  isCommandDenied,
  isFenced,
  isMissing,
  isReadOnly,
  isStateRefusal,
  isTimeout,
  isUnknownCommand,
  isUnknownInfo,
  replyError,
  toSisyphusError,
} from '../../src/store/redis/redis-error.ts';

const FOLDER = fileURLToPath(new URL('../../src/store', import.meta.url));
const PREDICATES = {
  isAccessRefusal,
  isAlreadyLoaded,
  isCommandDenied,
  isFenced,
  isMissing,
  isReadOnly,
  isStateRefusal,
  isTimeout,
  isUnknownCommand,
  isUnknownInfo,
};

/** What Redis, our functions and the driver say, word for word; and what it is known as. */
const SAID: [Error, (keyof typeof PREDICATES)[]][] = [
  [
    replyError("READONLY You can't write against a read only replica. script: sisyphus_read"),
    ['isReadOnly', 'isStateRefusal'],
  ],
  [replyError("OOM command not allowed when used memory > 'maxmemory'."), ['isStateRefusal']],
  [
    replyError("NOPERM User gw has no permissions to run the 'publish' command"),
    ['isAccessRefusal', 'isCommandDenied'],
  ],
  [replyError('NOPERM No permissions to access a channel'), ['isAccessRefusal']],
  [replyError('ERR ACL failure in script: No permissions to access a key'), ['isAccessRefusal']],
  [replyError("ERR unknown command 'INFO', with args beginning with: "), ['isUnknownCommand', 'isUnknownInfo']],
  [replyError("ERR unknown subcommand 'LOAD'. Try FUNCTION HELP."), ['isUnknownCommand']],
  [replyError('ERR Function not found'), ['isMissing']],
  [replyError("ERR Library 'sisyphus' already exists"), ['isAlreadyLoaded']],
  [replyError('FENCED another gateway records'), ['isFenced']],
  [replyError('BADCHANNEL expected a name'), []],
  [new Error('Command timed out'), ['isTimeout']],
  [new Error('Connection is closed.'), []],
];

describe('what Redis and its driver say', () => {
  for (const [error, expected] of SAID) {
    it(`is known as ${expected.join(', ') || 'nothing in particular'}: ${error.message}`, () => {
      const known = (heard: Error) =>
        Object.entries(PREDICATES).flatMap(([name, isKnown]) => (isKnown(heard) ? [name] : []));
      expect(known(error)).to.have.members(expected);
      // Those that are asked after it was made an error of ours.
      const kept = expected.filter((name) => ['isTimeout', 'isReadOnly', 'isStateRefusal'].includes(name));
      expect(known(toSisyphusError(error))).to.include.members(kept);
    });
  }

  it('is recognised by its text in one file, so that a driver that says it in other words is a change of that file', () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const readers = files.filter((file) =>
      /\bmessage\s*\.(startsWith|includes|match|search|indexOf)\(|\.(test|exec)\([\w.]*message\)/.test(
        readFileSync(join(FOLDER, file), 'utf8'),
      ),
    );
    expect(files.length).to.be.above(40);
    expect(readers).to.deep.equal(['redis/redis-error.ts']);
  });
});
