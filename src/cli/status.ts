import { type Command, EXIT } from './command.ts';
import { askGateway } from './gateway-answer.ts';
import { gatewaysOf } from './gateways.ts';
import { GATEWAYS_OPTION, JSON_OPTION } from './options.ts';
import { columns } from './print.ts';

type Answer = Record<string, unknown>;

/** What a gateway says of itself, or why it says nothing. */
interface State {
  url: string;
  ready: boolean;
  reasons: string[];
  status: Answer | undefined;
}

export const status: Command = {
  name: 'status',
  parameters: '',
  summary: 'prints how the gateways are; ends with 1 if one is not ready',
  positionals: [0, 0],
  options: { ...GATEWAYS_OPTION, ...JSON_OPTION },
  async run({ flags, env, options, stdout }) {
    const { urls } = gatewaysOf(flags, env, options.gateways);
    const states = await Promise.all(urls.map(stateOf));
    if (options.json === true) stdout.write(`${JSON.stringify(states)}\n`);
    else {
      stdout.write(columns([HEADINGS, ...states.map(rowOf)]));
      for (const { url, reasons } of states) for (const reason of reasons) stdout.write(`${url}: ${reason}\n`);
    }
    return states.every(({ ready }) => ready) ? EXIT.ok : EXIT.failed;
  },
};

const HEADINGS = ['gateway', 'version', 'ready', 'redis', 'streams', 'users', 'channels', 'recorder'];

async function stateOf(url: string): Promise<State> {
  try {
    const [ready, status] = await Promise.all([askGateway(`${url}/readyz`), askGateway(`${url}/status`)]);
    const reasons = [...texts(ready.reasons), ...texts(status.warnings)];
    return { url, ready: ready.ready === true, reasons, status };
  } catch (error) {
    return { url, ready: false, reasons: [(error as Error).message], status: undefined };
  }
}

function rowOf({ url, ready, status = {} }: State): string[] {
  const { version, redis, streams, users, channels, recorder } = status;
  const role = (recorder as Answer | undefined)?.role;
  return [url, version, ready ? 'yes' : 'no', redis, streams, users, channels, role].map((value) =>
    String(value ?? ''),
  );
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
