// Addresses are relative, because a proxy may put the gateway below a path.

/** How long an answer may take (ms). */
const PATIENCE = 10_000;

/** An answer that is no success: its code and its sentence. */
export class Refusal extends Error {
  constructor(status, { error = '', message = `the gateway answered ${status}` } = {}) {
    super(message);
    this.status = status;
    this.code = error;
  }
}

/** Asks the gateway, and answers its JSON. */
export function get(path) {
  return ask(path, {});
}

export function post(path, body) {
  return ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(`console/${path}`, { ...options, signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    throw new Refusal(0, { message: 'The gateway does not answer.' });
  }
  if (response.status === 204) return undefined;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}
