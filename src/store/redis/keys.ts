/** The JavaScript side of the names in lua/names.lua: what one installation calls its keys and topics. */
export class Keys {
  /** Part of the topics, because pub/sub knows no databases. */
  readonly database: number;
  /** Declared with every call of a function, which it tells the installation. */
  readonly declared: string;
  /** Of the pub/sub channels of envelopes: without a colon, so that no pattern of plain channels matches one. */
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

  topic(channel: string): string {
    return this.topicPrefix + channel.replaceAll(':', '/');
  }
}
