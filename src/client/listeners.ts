type Listener = (value: never) => void;

/** Functions that wait for named events. If one throws, that becomes an event `error`, and the others are called all the same. */
export class Listeners {
  readonly #byName = new Map<string, Set<Listener>>();

  /** @returns a function that takes the listener away */
  add(name: string, listener: Listener): () => void {
    // Each `add` makes a function of its own, because two parts of a page may add the same listener, and each may only take away its own.
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

  /** @param name the event whose listener has failed: an error of a listener for errors is only reported */
  readonly fail = (error: unknown, name?: string): void => {
    if (name !== 'error' && this.#byName.has('error')) this.tell('error', error);
    // The browser shows it as an uncaught error. In Node an uncaught error would end the process, so there it is only printed.
    else (globalThis.reportError ?? console.error)(error);
  };

  /** Takes all listeners away. A `tell` that is under way calls none of them any more. */
  clear(): void {
    for (const listeners of this.#byName.values()) listeners.clear();
    this.#byName.clear();
  }
}
