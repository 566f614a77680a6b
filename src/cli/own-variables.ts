import type { Texts } from '../config/settings.ts';

/** The variables that concern commands other than `serve` and `check-config`. */
const SECRETS = ['SISYPHUS_PUBLISH_SECRET', 'SISYPHUS_PUBLISH_SECRET_FILE'];
export const MINE = [
  ...['REDIS_URL', 'SISYPHUS_REDIS_CA', 'SISYPHUS_REDIS_CERT', 'SISYPHUS_REDIS_KEY', 'SISYPHUS_NAMESPACE'],
  ...['SISYPHUS_URL', 'SISYPHUS_ACCESS_TOKEN', ...SECRETS],
];

/** The environment without the server's variables: a wrong one, such as a PORT for another program, must not stop a publisher. */
export function onlyMine(env: Texts): Texts {
  return Object.fromEntries(MINE.map((name) => [name, env[name]]));
}
