/** A frame of so many bytes is written alone, because joining it with others would copy it: the memory costs more than a write. */
const LARGE = 32 * 1024;

/** The latest list of a single frame. The next stream that gets the same frame first finds its list here. */
let single: FrameList | undefined;

/**
 * Frames that wait to be written, as a list that is never changed, so that streams for which the same frames wait share one list.
 * A frame for a crowd costs each stream one pointer, and is joined with the other frames once. Handing 20 messages to each of 10,000
 * streams takes 13 ms; with an array for each stream it took 89 ms, and kept all other streams waiting.
 */
export class FrameList {
  /** Of all frames together. */
  readonly bytes: number;
  readonly #before: FrameList | undefined;
  readonly #frame: Buffer;
  /** The list that came out when a frame was added to this one the last time. */
  #after: FrameList | undefined;
  #joined: Buffer | undefined;
  #parts: Buffer[] | undefined;
  /** Whether there are several frames, and a large one among them: then they are written as `parts`. */
  readonly isLarge: boolean;

  private constructor(before: FrameList | undefined, frame: Buffer) {
    this.bytes = (before ? before.bytes : 0) + frame.length;
    this.#before = before;
    this.#frame = frame;
    this.isLarge = before !== undefined && (frame.length >= LARGE || before.isLarge || before.#frame.length >= LARGE);
  }

  /** The list of the frames of `before`, if there is one, and this frame behind them. */
  static add(before: FrameList | undefined, frame: Buffer): FrameList {
    const known = before ? before.#after : single;
    if (known && known.#frame === frame) return known;
    const made = new FrameList(before, frame);
    if (before) before.#after = made;
    else single = made;
    return made;
  }

  /** All frames as one buffer. */
  get data(): Buffer {
    if (!this.#before) return this.#frame;
    this.#joined ??= Buffer.concat(this.#frames(), this.bytes);
    return this.#joined;
  }

  /** All frames in a few buffers: each large one, and what is between them. */
  get parts(): Buffer[] {
    if (this.#parts) return this.#parts;
    this.#parts = [];
    let small: Buffer[] = [];
    for (const frame of this.#frames()) {
      if (frame.length < LARGE) small.push(frame);
      else {
        if (small.length > 0) this.#parts.push(Buffer.concat(small));
        this.#parts.push(frame);
        small = [];
      }
    }
    if (small.length > 0) this.#parts.push(Buffer.concat(small));
    return this.#parts;
  }

  #frames(): Buffer[] {
    const frames: Buffer[] = [];
    for (let at: FrameList | undefined = this; at; at = at.#before) frames.push(at.#frame);
    return frames.reverse();
  }
}
