/**
 * The certificates for Redis are read by the primary alone, so that a worker can be started while their files are wrong. A worker is told
 * them before it begins, and not by variables, for which the certificates of all CAs would be too long. These are its variables.
 */
export const NO_CERTIFICATES = {
  SISYPHUS_REDIS_CA: undefined,
  SISYPHUS_REDIS_CERT: undefined,
  SISYPHUS_REDIS_KEY: undefined,
};

const FLAG = /^--redis-(?:ca|cert|key)(?:=|$)/;

/** The arguments of a worker: those of its primary, but for the flags of the certificates. */
export function argumentsOfWorker(args: string[]): string[] {
  const hasValue = (flag = ''): boolean => FLAG.test(flag) && !flag.includes('=');
  return args.filter((arg, i) => !FLAG.test(arg) && !hasValue(args[i - 1]));
}
