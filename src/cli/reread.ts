import { readSecretFile, type SecretList } from '../config/secret-list.ts';
import { Mistake } from '../config/values.ts';
import type { Logger } from '../logger.ts';

/** Reads the file of the publish secrets again. If it has become wrong, that is logged, and `use` is not called: the old secrets stay. */
export function rereadSecrets(path: string, logger: Logger, use: (list: SecretList) => void): void {
  try {
    const { list } = readSecretFile(path);
    use(list);
    sayNames(logger, list);
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    logger.error({
      event: 'publish_secrets_kept',
      file: path,
      reason: `SISYPHUS_PUBLISH_SECRET_FILE ${error.message}`,
    });
  }
}

/** Logs the names of the secrets in force. */
export function sayNames(logger: Logger, list: SecretList | undefined): void {
  const names = [...new Set(list?.secrets.map(({ name }) => name))];
  if (names.length > 0) logger.info({ event: 'publish_secrets', names });
}
