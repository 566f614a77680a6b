import { requireUser } from '../message/names.ts';
import { type Command, EXIT } from './command.ts';
import { usage } from './publish.ts';
import { openPublisher } from './publisher.ts';

export const disconnect: Command = {
  name: 'disconnect',
  parameters: '<user>',
  summary: 'ends every open stream of a user, on all gateways',
  positionals: [1, 1],
  options: {},
  async run({ positionals: [who], flags, env, stdout }) {
    const user = usage(() => requireUser(who));
    const publisher = await openPublisher(flags, env);
    try {
      stdout.write(`${await publisher.disconnect(user)}\n`);
      return EXIT.ok;
    } finally {
      await publisher.close();
    }
  },
};
