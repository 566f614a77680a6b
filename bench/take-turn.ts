import type { Peer, Server } from './peers/peer.ts';
import type { TurnResult } from './results.ts';
import type { Rig } from './rig.ts';
import type { Case, Turn } from './scenario.ts';

/** One turn: a fresh server, the case, and everything closed again whatever happened. */
export async function takeTurn(one: Case, peer: Peer): Promise<TurnResult> {
  const servers: Server[] = [];
  const rigs: Rig[] = [];
  const problems: string[] = [];
  const turn: Turn = {
    peer: peer.name,
    async start(env) {
      const server = await peer.start(env);
      servers.push(server);
      return server;
    },
    watch(rig) {
      rigs.push(rig);
      return rig;
    },
    async clear() {
      for (const rig of rigs.splice(0)) {
        problems.push(...rig.problems);
        await rig.close();
      }
      for (const server of servers.splice(0)) await server.close();
    },
  };
  try {
    const figures = await one.measure(turn);
    await turn.clear();
    return { figures, problems };
  } catch (error) {
    await turn.clear();
    return { problems: [...problems, error instanceof Error ? error.message : String(error)] };
  }
}
