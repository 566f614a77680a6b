/** Stands for the pages of this machine, at any port; `serve --demo` puts it on the list, and SISYPHUS_ORIGINS does not take it. */
export const THIS_MACHINE = 'localhost';

const OF_THIS_MACHINE = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

/** The origins whose pages may read across sites. */
export class Origins {
  readonly #exact: ReadonlySet<string>;
  readonly #hasThisMachine: boolean;

  constructor(list: readonly string[]) {
    this.#exact = new Set(list.filter((origin) => origin !== THIS_MACHINE));
    this.#hasThisMachine = list.includes(THIS_MACHINE);
  }

  /** With none, an answer does not differ by origin. */
  get size(): number {
    return this.#exact.size + Number(this.#hasThisMachine);
  }

  has(origin: string): boolean {
    return this.#exact.has(origin) || (this.#hasThisMachine && OF_THIS_MACHINE.test(origin));
  }
}
