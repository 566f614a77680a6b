/** Milliseconds of the machine's monotonic clock: one clock for every process of a run, so that times can be compared. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
