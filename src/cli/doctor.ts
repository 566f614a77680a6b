import { isatty } from 'node:tty';
import { loadConfig } from '../config/config.ts';
import { requireUser } from '../message/names.ts';
import { type Command, EXIT, type Invocation, UsageError } from './command.ts';
import { examineGateway } from './doctor-gateway.ts';
import { examineMachine } from './doctor-machine.ts';
import { examineProxy } from './doctor-proxy.ts';
import { examineRedis } from './doctor-redis.ts';
import { type Finding, printFindings } from './finding.ts';
import { gatewayAddress } from './gateway-address.ts';
import { usage } from './publish.ts';
import { openPublisher, type Publisher } from './publisher.ts';

const OWN_USER = 'sisyphus-doctor';

/** Looks at everything that a gateway depends on, and names what is wrong with the line that mends it. */
export const doctor: Command = {
  name: 'doctor',
  isAboutGateway: true,
  parameters: '',
  summary: 'says what is wrong with Redis, machine, gateway and proxy, and what mends it',
  positionals: [0, 0],
  options: {
    proxy: { type: 'string', meaning: 'the address of the proxy, as browsers have it: opens a stream through it' },
    user: { type: 'string', meaning: `whose own channel gets a message through the proxy (${OWN_USER})` },
    json: { type: 'boolean', meaning: 'the findings as JSON' },
  },
  async run(invocation) {
    const { flags, env, options, stdout, stderr } = invocation;
    const config = loadConfig(flags, env);
    const step = (what: string): void => void stderr.write(`sisyphus: ${what}\n`);
    step('looking at Redis, machine and gateway');
    const [redis, gateway] = await Promise.all([
      examineRedis(config),
      examineGateway(gatewayAddress('operators', flags, env), config),
    ]);
    const findings = [...redis, ...examineMachine(config), ...gateway, ...(await throughProxy(invocation, step))];
    const isWell = !findings.some(({ level }) => level === 'bad');
    if (options.json === true) stdout.write(`${JSON.stringify({ ok: isWell, findings })}\n`);
    else printFindings(findings, stdout, isColored(invocation));
    return isWell ? EXIT.ok : EXIT.failed;
  },
};

async function throughProxy({ options, flags, env }: Invocation, onStep: (what: string) => void): Promise<Finding[]> {
  if (typeof options.proxy !== 'string') return [];
  const proxy = addressOf(options.proxy);
  const user = options.user === undefined ? OWN_USER : usage(() => requireUser(options.user));
  const { accessToken: credential, noopInterval } = loadConfig(flags, env);
  const publisher = await openIfPossible(flags, env);
  try {
    return await examineProxy({ proxy, user, credential, publisher, noopInterval, onStep });
  } finally {
    await publisher?.close();
  }
}

function addressOf(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new UsageError('--proxy: expected an address such as https://app.example');
  }
  return text.replace(/\/+$/, '');
}

/** `undefined` if the configuration names nothing to publish to, or if that cannot be reached, which other findings say. */
async function openIfPossible(flags: Invocation['flags'], env: Invocation['env']): Promise<Publisher | undefined> {
  const { redisUrl } = loadConfig(flags, env);
  // The gateway at `--url` is looked at as well; but where a Redis is named, publishing needs no secret.
  return openPublisher(redisUrl === undefined ? flags : { ...flags, url: undefined }, env).catch(() => undefined);
}

function isColored({ env, stdout }: Invocation): boolean {
  return env.NO_COLOR === undefined && stdout === process.stdout && isatty(1);
}
