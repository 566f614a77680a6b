/**
 * An EventSource gives up for good on any status but 200, so no test of a stream may ever see one. Whatever reads
 * streams in the tests reports here, and every test, whatever it is about, fails when one was reported during it.
 */
const refusals: string[] = [];

export function reportRefusal(request: string, status: number): void {
  refusals.push(`${request} was answered ${status}`);
}

/** What was reported since the last call. */
export function takeRefusals(): string[] {
  return refusals.splice(0);
}

// At the top level of a module that mocha loads, this is a hook for the whole run; programs without mocha take them themselves.
if (typeof globalThis.afterEach === 'function') {
  globalThis.afterEach('no answer but 200 to an EventSource request', () => {
    const seen = takeRefusals();
    if (seen.length > 0) throw new Error(`an EventSource would be dead: ${seen.slice(0, 5).join('; ')}`);
  });
}
