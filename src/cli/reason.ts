/** What is wrong in one line. An error of fetch says only "fetch failed": what did is its cause, of many the first. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  const isFetch = error.message === 'fetch failed' || error.message === 'terminated';
  return isFetch && error.cause !== undefined ? reasonOf(error.cause) : error.message;
}
