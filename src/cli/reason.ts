/** The message of an error. `fetch` fails with only "fetch failed": then the message of its cause, or of the first of several causes. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  const isFetch = error.message === 'fetch failed' || error.message === 'terminated';
  return isFetch && error.cause !== undefined ? reasonOf(error.cause) : error.message;
}
