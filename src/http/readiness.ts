import type { HttpContext, RecorderStatus } from './context.ts';

export interface Reasons {
  /** Why streams should go elsewhere. If there is none, the gateway is ready. */
  stopping: string[];
  /** What is wrong, and concerns no streams. */
  others: string[];
}

/** Why a balancer should not send streams to this gateway. If Redis refuses only what publishers need, streams may come. */
export async function reasonsAgainst(context: HttpContext): Promise<Reasons> {
  const { descriptors } = context;
  const isShort = await descriptors.isShort();
  const troubles = context.troubles();
  const reasonsOf = (stops: boolean): string[] =>
    troubles.filter((trouble) => (trouble.stops !== 'publishing') === stops).map(({ reason }) => reason);
  const [stopping, others] = [reasonsOf(true), reasonsOf(false)];
  if (!context.hub.isAnswered && stopping.length === 0) stopping.push('Redis does not answer');
  // If the store has a trouble, no recorder may be able to renew its lease, and the trouble is reason enough.
  if (!isRecorded(context.recorder()) && troubles.length === 0) {
    stopping.push('no recorder is known: nobody has renewed its lease lately');
  }
  stopping.push(...(context.settings()?.problems ?? []));
  if (isShort) stopping.push(`nearly all of the ${descriptors.limit} files that the process may open are in use`);
  if (context.isStopping()) stopping.push('the gateway is being stopped');
  return { stopping, others };
}

function isRecorded({ role, recording }: RecorderStatus): boolean {
  return role === 'off' || recording;
}
