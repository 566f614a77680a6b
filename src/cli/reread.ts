import { type Config, ConfigError, loadCertificates } from '../config/config.ts';
import type { RedisTls } from '../config/redis-certificates.ts';
import { readSecretFile, type SecretList } from '../config/secret-list.ts';
import type { Texts } from '../config/settings.ts';
import { Mistake } from '../config/values.ts';
import type { Logger } from '../logger.ts';

/** The parts of the gateway that take what was read again. */
export interface Readers {
  useSecrets(list: SecretList): void;
  useCertificates(tls: RedisTls): void;
}

/** What SIGHUP reads again: the files that the configuration names. @returns `undefined` if it names none */
export function rereading(
  { publishSecretFile: file, consoleSecret, redisCa, redisCert, redisKey }: Config,
  given: { flags: Texts; env: Texts },
  logger: Logger,
  readers: Readers,
): (() => void) | undefined {
  const hasCertificates = [redisCa, redisCert, redisKey].some((pem) => pem !== undefined);
  if (file === undefined && !hasCertificates) return undefined;
  return () => {
    if (file !== undefined) rereadSecrets(file, logger, consoleSecret, (list) => readers.useSecrets(list));
    if (hasCertificates) rereadCertificates(given, logger, (tls) => readers.useCertificates(tls));
  };
}

/** Reads the certificates again. If one has become wrong, that is logged, and the old ones stay. */
function rereadCertificates(
  { flags, env }: { flags: Texts; env: Texts },
  logger: Logger,
  use: (tls: RedisTls) => void,
): void {
  try {
    const tls = loadCertificates(flags, env);
    if (!tls) return;
    use(tls);
    logger.info({ event: 'certificates_read' });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    logger.error({ event: 'certificates_kept', reason: error.message });
  }
}

/** Reads the file of the publish secrets again. If it has become wrong, that is logged, and `use` is not called: the old secrets stay. */
function rereadSecrets(
  path: string,
  logger: Logger,
  consoleSecret: string | undefined,
  use: (list: SecretList) => void,
): void {
  try {
    const { list } = readSecretFile(path);
    if (list.secrets.some(({ text }) => text === consoleSecret)) {
      throw new Mistake('has the secret of SISYPHUS_CONSOLE_SECRET: expected others');
    }
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
