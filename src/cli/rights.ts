import { requireChannel, requireUser } from '../message/names.ts';
import { type Command, EXIT } from './command.ts';
import { readData, usage } from './publish.ts';
import { openPublisher, type RightsVerb } from './publisher.ts';

export const grant = command('grant', 'lets a user follow a channel, and says so on user:<user>');
export const revoke = command('revoke', 'takes a channel from a user, and says so on user:<user>');

function command(name: RightsVerb, summary: string): Command {
  return {
    name,
    parameters: '<user> <channel> [data|-]',
    summary,
    positionals: [2, 3],
    options: {},
    async run({ positionals: [who, what, text], flags, env, stdin, stdout }) {
      const user = usage(() => requireUser(who));
      const channel = usage(() => requireChannel(what));
      const publisher = await openPublisher(flags, env);
      try {
        const data = text === undefined ? undefined : await readData(text, stdin);
        const { id, revision } = await publisher.change(name, user, channel, data);
        stdout.write(`${id} ${revision}\n`);
        return EXIT.ok;
      } finally {
        await publisher.close();
      }
    },
  };
}
