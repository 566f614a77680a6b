type Listener = (value: never) => void;

/** Functions that wait for named events. Each one that throws is told as an event `error`, and keeps no other from being called. */
export class Listeners {
  readonly #byName = new Map<string, Set<Listener>>();

  /** @returns a function that takes the listener away */
  add(name: string, listener: Listener): () => void {
    // Its own function each time: two parts of a page may add the same one, and each takes away only its own.
    const own: Listener = (value) => listener(value);
    const listeners = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, listeners.add(own));
    return () => {
      if (listeners.delete(own) && listeners.size === 0) this.#byName.delete(name);
    };
  }

  tell(name: string, value: unknown): void {
    const listeners = this.#byName.get(name);
    for (const listener of [...(listeners ?? [])]) {
      if (!listeners?.has(listener)) continue;
      try {
        (listener as (value: unknown) => void)(value);
      } catch (error) {
        this.fail(error, name);
      }
    }
  }

  /** @param name the event whose listener has failed: for errors of listeners for errors there is only the console */
  readonly fail = (error: unknown, name?: string): void => {
    if (name !== 'error' && this.#byName.has('error')) this.tell('error', error);
    // As an error that nobody has caught, but in Node, where that would end the process.
    else (globalThis.reportError ?? console.error)(error);
  };

  /** Nothing is called any more, also not by a `tell` that is under way. */
  clear(): void {
    for (const listeners of this.#byName.values()) listeners.clear();
    this.#byName.clear();
  }
}
