import type { Config } from '../config.ts';
import type { Authenticator } from './authenticator.ts';
import { openMode } from './open.ts';

/** What modes go by. */
export type AuthConfig = Pick<Config, 'auth'>;

/** The authenticator of each mode; it starts nothing. */
const MODES: Record<Config['auth'], (config: AuthConfig) => Authenticator> = { open: () => openMode };

export function createAuthenticator(config: AuthConfig): Authenticator {
  return MODES[config.auth](config);
}
