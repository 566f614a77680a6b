import type { Config } from '../config/config.ts';
import type { TokenReader } from '../message/token.ts';
import type { Authenticator } from './authenticator.ts';
import type { Tell } from './claims.ts';
import { ForwardMode } from './forward.ts';
import { headerMode } from './header.ts';
import { jwtMode } from './jwt.ts';
import { openMode } from './open.ts';
import { tokenMode } from './token.ts';

/** The part of the configuration that modes may read: what all gateways share may change while they run. */
export type AuthConfig = Omit<Config, 'maxMessage'>;

/** Creates the authenticator of each mode. Creating one starts no timer and no connection. */
const MODES: Record<Config['auth'], (config: AuthConfig, tell: Tell, tokens: TokenReader) => Authenticator> = {
  open: () => openMode,
  header: headerMode,
  forward: (config, tell) => new ForwardMode(config, tell),
  jwt: (config, tell) => jwtMode(config, tell),
  token: (config, tell, tokens) => tokenMode(config, tokens, tell),
};

/**
 * @param tell called with problems that the operator should know, such as a service that does not answer
 * @param tokens looks up the tokens of `SISYPHUS_AUTH=token`
 */
export function createAuthenticator(config: AuthConfig, tell: Tell, tokens: TokenReader): Authenticator {
  return MODES[config.auth](config, tell, tokens);
}
