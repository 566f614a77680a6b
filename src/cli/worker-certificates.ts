/**
 * Takes the variables of the certificates for Redis away from a worker. Only the primary reads the files, so that a worker can be started while
 * they are wrong. It sends their content before the worker begins; in a variable the certificates of all CAs might not fit.
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
