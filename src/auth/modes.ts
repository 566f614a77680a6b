import type { Config } from '../config.ts';
import type { Authenticator } from './authenticator.ts';
import { openMode } from './open.ts';

/** The authenticator of each mode; it starts nothing. */
const MODES: Record<Config['auth'], (config: Config) => Authenticator> = { open: () => openMode };

export function createAuthenticator(config: Config): Authenticator {
  return MODES[config.auth](config);
}
