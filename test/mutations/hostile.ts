import type { Mutation } from './mutations.ts';

const JWKS = 'unit/jwks';

/** Mistakes that only a hostile client, issuer or application would find. */
export const HOSTILE_MUTATIONS: Mutation[] = [
  {
    name: 'a name that is nested too deep to be quoted is a mistake of the gateway',
    file: 'src/message/names.ts',
    find: 'if (!(error instanceof RangeError)) throw error;',
    replace: 'if (error) throw error;',
    caughtBy: 'conformance/hostile-bodies',
    only: 'nested 50,000 deep',
  },
  {
    name: 'a user may end with a line feed',
    file: 'src/message/names.ts',
    find: 'const USER = /^[A-Za-z0-9_.@+|-]{1,128}$/;',
    replace: 'const USER = /^[A-Za-z0-9_.@+|-]{1,128}$/m;',
    caughtBy: 'hostile/doors',
    only: 'names nobody else',
  },
  {
    name: 'a user may be the list of another one',
    file: 'src/store/redis/lua/checks.lua',
    find: '[^%w_.@+|-]',
    replace: '[^%w_.@+|:-]',
    caughtBy: 'hostile/doors',
    only: 'FCALL sisyphus_grant, the user',
  },
  {
    name: 'an issuer that never stops answering is read to the end',
    file: 'src/auth/jwks.ts',
    find: 'if (size > MAX_ANSWER) throw',
    replace: 'if (size > MAX_ANSWER && size < 0) throw',
    caughtBy: JWKS,
    only: 'not read to the end',
  },
  {
    name: 'an issuer that cannot answer is asked again by each token',
    file: 'src/auth/jwks.ts',
    find: '    if (pause > 0) await wait(pause, undefined, { ref: false });\n',
    replace: '    if (pause > 1e9) await wait(pause, undefined, { ref: false });\n',
    caughtBy: JWKS,
    only: 'twice a second',
  },
  {
    name: 'a token that names no key is tried with thousands',
    file: 'src/auth/jwt.ts',
    find: 'if (++tried > MAX_TRIED) {',
    replace: 'if (++tried > 1e9) {',
    caughtBy: JWKS,
    only: 'may be thousands',
  },
  {
    name: 'a key that is too short is a mistake of the gateway',
    file: 'src/auth/jwt.ts',
    find: 'throw new errors.JWSSignatureVerificationFailed(undefined, { cause: error });',
    replace: 'throw error;',
    caughtBy: JWKS,
    only: 'have signed nothing',
  },
];
