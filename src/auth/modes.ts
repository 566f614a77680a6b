import type { Config } from '../config.ts';
import type { Authenticator } from './authenticator.ts';
import { openMode } from './open.ts';

/** The part of the configuration that modes read. */
export type AuthConfig = Pick<Config, 'auth'>;

/** Creates the authenticator of each mode. Creating one starts no timer and no connection. */
const MODES: Record<Config['auth'], (config: AuthConfig) => Authenticator> = { open: () => openMode };

export function createAuthenticator(config: AuthConfig): Authenticator {
  return MODES[config.auth](config);
}
