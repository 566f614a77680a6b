type Counts = Map<string, number>;

/** What `sisyphus_streams` does, without Redis: test/redis/streams.test.ts compares the two. */
export class StreamsModel {
  readonly #gateways = new Map<string, { turn: string; counts: Counts; missed?: boolean }>();

  call([me, turn, verb, limit, text]: string[]): (string | number)[] {
    const mine = this.#gateways.get(me!);
    const others = [...this.#gateways].filter(([name]) => name !== me).map(([, { counts }]) => counts);
    if (verb === 'leave') this.#gateways.delete(me!);
    if (verb === 'leave') return [others.length];
    if (verb === 'keep' && mine?.turn !== turn) return ['lost'];
    const counts: Counts = verb === 'begin' ? new Map() : mine!.counts;
    const missed = verb === 'keep' && mine!.missed ? 1 : 0;
    this.#gateways.set(me!, { turn: turn!, counts });
    const short: number[] = [];
    for (const [i, [, user, held, wanted]] of [...text!.matchAll(/(\S+) (\d+) (\d+)/g)].entries()) {
      const elsewhere = others.reduce((sum, theirs) => sum + (theirs.get(user!) ?? 0), 0);
      const room = Math.max(0, Number(limit) - elsewhere - Number(held));
      if (room < Number(wanted)) {
        short.push(i + 1, room);
        for (const [name, gateway] of this.#gateways)
          if (name !== me && gateway.counts.has(user!)) gateway.missed = true;
      }
      const count = Number(held) + Math.min(room, Number(wanted));
      if (count > 0) counts.set(user!, count);
      else counts.delete(user!);
    }
    return [others.length + 1, missed, ...short];
  }

  /** The lease of a gateway has run out. */
  expire(gateway: string): void {
    this.#gateways.delete(gateway);
  }

  flush(): void {
    this.#gateways.clear();
  }

  count(gateway: string, user: string): number {
    return this.#gateways.get(gateway)?.counts.get(user) ?? 0;
  }

  /** By gateway: turn, then users and their counts. */
  get contents(): Record<string, Record<string, string>> {
    const contents: Record<string, Record<string, string>> = {};
    for (const [name, { turn, counts, missed }] of this.#gateways) {
      contents[name] = { ':': turn, ...(missed && { ':missed': '1' }) };
      for (const [user, count] of counts) contents[name][user] = String(count);
    }
    return contents;
  }
}
