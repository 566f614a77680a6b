import { requireUser } from '../message/names.ts';
import { parseToken, parseTtl } from '../message/token.ts';
import { PROGRAM } from '../root.ts';
import { type Command, EXIT, type Invocation, UsageError } from './command.ts';
import { usage } from './publish.ts';
import { openPublisher } from './publisher.ts';

export const token: Command = {
  name: 'token',
  parameters: '<user>',
  summary: 'makes a token for SISYPHUS_AUTH=token; prints it, and on standard error when it ends',
  positionals: [0, 1],
  options: {
    ttl: { type: 'string', meaning: 'how long it is valid: 1h, or a number of seconds (1h)' },
    revoke: { type: 'string', meaning: 'revokes this token instead, and ends its streams' },
    'revoke-all': { type: 'string', meaning: 'revokes all tokens of this user instead, and ends their streams' },
  },
  run: (invocation) => {
    const { options, positionals } = invocation;
    const isRevocation = options.revoke !== undefined || options['revoke-all'] !== undefined;
    const isOne =
      [positionals[0], options.revoke, options['revoke-all']].filter((one) => one !== undefined).length === 1;
    if (!isOne || (isRevocation && options.ttl !== undefined)) {
      throw new UsageError(`expected ${PROGRAM} token <user> [--ttl 1h], --revoke <token> or --revoke-all <user>`);
    }
    return isRevocation ? revoke(invocation) : mint(invocation);
  },
};

async function mint({ positionals: [who], options, flags, env, stdout, stderr }: Invocation): Promise<number> {
  const user = usage(() => requireUser(who));
  const ttl = parseTtl(options.ttl ?? '1h');
  if (ttl === undefined)
    throw new UsageError('--ttl: expected a time from 1s to 365d, such as 1h, or a number of seconds');
  const publisher = await openPublisher(flags, env);
  try {
    const { token, expires } = await publisher.mint(user, ttl);
    stdout.write(`${token}\n`);
    stderr.write(`ends at ${new Date(expires).toISOString()}\n`);
    return EXIT.ok;
  } finally {
    await publisher.close();
  }
}

async function revoke({ options, flags, env, stdout }: Invocation): Promise<number> {
  const { revoke: token, 'revoke-all': who } = options;
  if (typeof token === 'string' && !parseToken(token))
    throw new UsageError('--revoke: expected a token, as it was printed');
  const which = typeof token === 'string' ? { token } : { user: usage(() => requireUser(who)) };
  const publisher = await openPublisher(flags, env);
  try {
    stdout.write(`${await publisher.revokeTokens(which)}\n`);
    return EXIT.ok;
  } finally {
    await publisher.close();
  }
}
