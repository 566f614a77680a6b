/**
 * Frames that wait, in their order. Of the frames with the same key only the newest one stays. It waits behind all others, so the ids still
 * rise, and a client that breaks off before it has a position before it.
 */
export class FrameQueue {
  readonly #frames = new Map<string | number, Buffer>();
  #added = 0;
  #bytes = 0;

  /** The length of all frames together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** In the order in which they are to be sent. */
  get frames(): Buffer[] {
    return [...this.#frames.values()];
  }

  /** `key`: such as the name of a channel; without one the frame stays. */
  add(frame: Buffer, key?: string): void {
    this.#bytes += frame.length - this.bytesOf(key);
    if (key !== undefined) this.#frames.delete(key);
    this.#frames.set(key ?? this.#added++, frame);
  }

  /** How many bytes a frame with this key would replace. */
  bytesOf(key: string | undefined): number {
    return key === undefined ? 0 : (this.#frames.get(key)?.length ?? 0);
  }
}
