/** The names of the keys and topics of one installation. The Lua side is lua/names.lua. */
export class Keys {
  /** Part of the topics, because pub/sub knows no databases. */
  readonly database: number;
  /** The key that is declared with every call of a function: it names the installation. */
  readonly declared: string;
  /** The prefix of the pub/sub channels for envelopes: without a colon, so that no pattern of plain channels matches one. */
  readonly topicPrefix: string;

  /** @param namespace 1 to 64 of `A-Z a-z 0-9 _ . -`; without one, the names of an installation that has Redis for itself */
  constructor(namespace: string | undefined, database: number) {
    const installation = namespace === undefined ? '0' : `${namespace}:0`;
    this.database = database;
    this.declared = `sisyphus:{${installation}}`;
    this.topicPrefix = `sisyphus{${installation.replace(':', '/')}}${database === 0 ? '' : `@${database}`}/`;
  }

  backlog(channel: string): string {
    return `${this.declared}:channel:${channel}:msg_backlog`;
  }

  /** The key with the revision of the channel's last message, and the one with its id. */
  counters(channel: string): [string, string] {
    const name = `${this.declared}:channel:${channel}`;
    return [`${name}:msg_id`, `${name}:msg_last`];
  }

  /** The key with what gateways say of themselves to the console. */
  get reports(): string {
    return `${this.declared}:reports`;
  }

  /** The key with the processes whose streams are counted, and how many each has. */
  get streams(): string {
    return `${this.declared}:streams`;
  }

  topic(channel: string): string {
    return this.topicPrefix + channel.replaceAll(':', '/');
  }
}
