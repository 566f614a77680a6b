import { isIP } from 'node:net';

type Texts = Record<string, string | undefined>;

/** The prefix for a service with a name such as `sisyphus` or `sisyphus-redis`. */
const SERVICE = 'SISYPHUS(?:_[A-Z0-9_]+)?';
const PORT = '_PORT_(\\d{1,5})_(TCP|UDP|SCTP)';

/**
 * The variables that Kubernetes sets for each service of a namespace, and Docker for each link, each with a check of its value.
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 * https://docs.docker.com/engine/network/links/#environment-variables
 */
const LINKS: [RegExp, (value: string, port?: string, protocol?: string) => boolean][] = [
  [name('_SERVICE_HOST'), isAddress],
  [name('_SERVICE_PORT(?:_[A-Z0-9_]+)?'), isPort],
  [name('_PORT'), (value) => isUrl(value)],
  [name(`${PORT}(?:_START)?`), isUrl],
  [name(`${PORT}_END`), (value, _port, protocol) => isUrl(value, undefined, protocol)],
  [name(`${PORT}_PROTO`), (value, _port, protocol) => value === protocol?.toLowerCase()],
  [name(`${PORT}_PORT(?:_START)?`), (value, port) => value === port],
  [name(`${PORT}_PORT_END`), isPort],
  [name(`${PORT}_ADDR`), isAddress],
  [name('_NAME'), isContainerName],
];

/** The environment without the variables that an orchestrator sets for services with such a name: they are no configuration. */
export function withoutServiceLinks(env: Texts): Texts {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isServiceLink(name, value ?? '', env)));
}

function isServiceLink(name: string, value: string, env: Texts): boolean {
  if (!name.startsWith('SISYPHUS_')) return false;
  // Docker copies the whole environment of a linked container, as `<alias>_ENV_<name>`.
  const [, linked] = /^(SISYPHUS\w*?)_ENV_/.exec(name) ?? [];
  if (linked !== undefined && isContainerName(env[`${linked}_NAME`] ?? '')) return true;
  return LINKS.some(([expression, isRight]) => {
    const [match, port, protocol] = expression.exec(name) ?? [];
    return match !== undefined && isRight(value, port, protocol);
  });
}

function name(rest: string): RegExp {
  return new RegExp(`^${SERVICE}${rest}$`);
}

function isAddress(value: string): boolean {
  return isIP(value) !== 0;
}

function isPort(value: string): boolean {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535;
}

/** Whether the value is an address such as `tcp://10.0.0.7:3001`, with the port and protocol if they are known. */
function isUrl(value: string, port?: string, protocol?: string): boolean {
  const [, scheme, host = '', at = ''] = /^(tcp|udp|sctp):\/\/(.+):(\d{1,5})$/.exec(value) ?? [];
  if (scheme === undefined || !isAddress(host.replace(/^\[(.*)\]$/, '$1')) || !isPort(at)) return false;
  return (port === undefined || at === port) && (protocol === undefined || scheme === protocol.toLowerCase());
}

/** Whether the value is a name such as `/this-container/alias`. */
function isContainerName(value: string): boolean {
  return /^\/[\w.-]+\/[\w.-]+$/.test(value);
}
