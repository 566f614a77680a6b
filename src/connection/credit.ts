/** A stream whose reader has left more than the bound unread. */
export interface Debtor {
  /** Whether more than its bound is unsent still. */
  readonly isOverdrawn: boolean;
  /** What the kernel has taken of it so far (bytes); it rises while the reader reads. */
  readonly taken: number;
  /** Ends it: its reader is too slow. */
  giveUp(): void;
}

interface Debt {
  taken: number;
  /** On credit (bytes). */
  credit: number;
  /** Looks since the kernel took something. */
  stuck: number;
  looks: number;
}

/** How often debtors are looked at (ms). Between two looks the sockets have had their turn, however long the process was busy. */
const LOOK = 100;
/** A reader that has read nothing for so many looks has stopped; one that is above its bound for so many is too slow. */
const STUCK_LOOKS = 20;
const MOST_LOOKS = 50;
/** So long is waited for readers to come back below their bounds. */
const SETTLING_LOOKS = 5;

const MB = 1024 * 1024;

/**
 * What streams may have unsent beyond their bound, for a moment. A burst comes faster than any socket takes it, and who reads at
 * full speed has read it a moment later: of 150 readers that were sent eight messages of 250 KB at once, with a bound of 1 MB,
 * 86 to 150 were closed. So a stream is not closed when it passes its bound, but when its reader does not read, or stays behind.
 *
 * The memory is bounded in all: a frame counts once, however many streams it is for, and what is not paid back within 5 s ends
 * the stream, so that at most twice `all` is owed at a time.
 */
export class Credit {
  readonly #each: number;
  readonly #all: number;
  readonly #look: number;
  readonly #debts = new Map<Debtor, Debt>();
  /** Taken on credit since there were no debtors, or for 5 s (bytes). */
  #spent = 0;
  #looks = 0;
  /** Counted last: one frame goes to all of its streams one after the other. */
  #counted: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #awaiting: (() => void)[] = [];

  /** `each`: for one stream, `all`: for all of them (bytes). */
  constructor(each = 32 * MB, all = 64 * MB, look = LOOK) {
    this.#each = each;
    this.#all = all;
    this.#look = look;
  }

  /** Whether the stream may have this frame beyond its bound. */
  take(debtor: Debtor, frame: Buffer): boolean {
    const debt = this.#debtOf(debtor);
    debt.credit += frame.length;
    if (frame !== this.#counted) this.#spent += frame.length;
    this.#counted = frame;
    return debt.credit <= this.#each && this.#spent <= this.#all;
  }

  /** Looks after a stream that is above its bound. */
  watch(debtor: Debtor): void {
    this.#debtOf(debtor);
  }

  /** Settles when no stream is above its bound, or after half a second. */
  async settled(): Promise<void> {
    for (let looks = 0; looks < SETTLING_LOOKS && this.#debts.size > 0; looks++) {
      await new Promise<void>((resolve) => this.#awaiting.push(resolve));
    }
  }

  #debtOf(debtor: Debtor): Debt {
    let debt = this.#debts.get(debtor);
    if (!debt) {
      debt = { taken: debtor.taken, credit: 0, stuck: 0, looks: 0 };
      this.#debts.set(debtor, debt);
      this.#timer ??= setInterval(() => this.#check(), this.#look).unref();
    }
    return debt;
  }

  #check(): void {
    for (const [debtor, debt] of this.#debts) {
      if (debtor.isOverdrawn && this.#isPatient(debtor, debt)) continue;
      this.#debts.delete(debtor);
      if (debtor.isOverdrawn) debtor.giveUp();
    }
    for (const resolve of this.#awaiting.splice(0)) resolve();
    if (++this.#looks % MOST_LOOKS !== 0 && this.#debts.size > 0) return;
    this.#spent = 0;
    if (this.#debts.size > 0) return;
    this.#counted = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #isPatient(debtor: Debtor, debt: Debt): boolean {
    const { taken } = debtor;
    debt.stuck = taken > debt.taken ? 0 : debt.stuck + 1;
    debt.taken = taken;
    return debt.stuck < STUCK_LOOKS && ++debt.looks < MOST_LOOKS;
  }
}
