import { setTimeout as pause } from 'node:timers/promises';

/**
 * Tries `check` again and again until it neither throws nor answers `false` or `undefined`; answers what it answered.
 * After the deadline it rejects with what was wrong the last time.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  deadlineMs = 5_000,
  everyMs = 10,
): Promise<Exclude<T, false | undefined>> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await check();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      last = `answered ${String(answer)}`;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const detail = last instanceof Error ? last.message : String(last);
      throw new Error(`not within ${deadlineMs} ms: ${detail}`, { cause: last });
    }
    await pause(everyMs);
  }
}

/** Rejects with `what` when `promise` has not settled in time; nothing keeps the process alive for it. */
export async function within<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
