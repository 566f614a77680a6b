/**
 * Joins what is asked within one turn of the event loop into one call: a crowd that connects at once costs a few
 * round trips, not one each. `run` answers in the order of the requests; `size` bounds what one call carries.
 */
export function batched<Request, Answer>(
  size: number,
  run: (requests: Request[]) => Promise<Answer[]>,
): (requests: Request[]) => Promise<Answer[]> {
  let waiting: Request[] = [];
  let running: Promise<Answer[]> | undefined;

  async function runAll(requests: Request[]): Promise<Answer[]> {
    const chunks: Promise<Answer[]>[] = [];
    for (let at = 0; at < requests.length; at += size) chunks.push(run(requests.slice(at, at + size)));
    return (await Promise.all(chunks)).flat();
  }

  return async (requests) => {
    const from = waiting.length;
    for (const request of requests) waiting.push(request);
    running ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        const all = waiting;
        waiting = [];
        running = undefined;
        runAll(all).then(resolve, reject);
      });
    });
    const answers = await running;
    return answers.slice(from, from + requests.length);
  };
}
