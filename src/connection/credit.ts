/** A stream that has more unsent bytes than its bound allows. */
export interface Debtor {
  /** Whether more bytes than the bound are still unsent. */
  readonly isOverdrawn: boolean;
  /** How many bytes of this stream the kernel has taken so far. The number rises while the reader reads. */
  readonly taken: number;
  /** Closes the stream, because its reader is too slow. */
  giveUp(): void;
}

interface Debt {
  /** `Debtor.taken` at the last check (bytes). */
  taken: number;
  /** Bytes that the stream took on credit. */
  credit: number;
  /** Checks since the kernel last took bytes of this stream. */
  stuck: number;
  /** Checks since the debt began. */
  looks: number;
}

/** Interval between two checks of all debtors (ms). A timer gives the sockets a turn between two checks, even in a busy process. */
const LOOK = 100;
/** A stream is closed after this many checks in a row at which the kernel had taken nothing: its reader has stopped reading. */
const STUCK_LOOKS = 20;
/** A stream is closed if it is still above its bound after this many checks: its reader is too slow. */
const MOST_LOOKS = 50;
/** `settled` waits at most this many checks for all streams to fall below their bounds. */
const SETTLING_LOOKS = 5;

const MB = 1024 * 1024;

/**
 * Lets streams exceed their bound of unsent bytes for a short time. A burst arrives faster than any socket takes it, but a reader at
 * full speed has read it a moment later: when 150 readers with a bound of 1 MB were sent eight messages of 250 KB at once, 86 to 150
 * of them were closed. So a stream that passes its bound is closed only if its reader stops reading, or stays behind.
 *
 * The memory for all streams together is bounded. A frame counts once, even if it is for many streams. A stream that is still above
 * its bound after 5 s is closed, so at most twice `all` is owed at a time.
 */
export class Credit {
  readonly #each: number;
  readonly #all: number;
  readonly #look: number;
  readonly #debts = new Map<Debtor, Debt>();
  /** Bytes that all streams together have taken on credit. Reset to 0 when there are no debtors left, and every 5 s. */
  #spent = 0;
  /** Checks so far. */
  #looks = 0;
  /** The frame that was last added to `#spent`. A frame for many streams is written to one after the other, so one is enough. */
  #counted: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Resolved at the next check. */
  #awaiting: (() => void)[] = [];

  /** `each`: credit of one stream (bytes); `all`: of all streams together (bytes); `look`: interval between two checks (ms). */
  constructor(each = 32 * MB, all = 64 * MB, look = LOOK) {
    this.#each = each;
    this.#all = all;
    this.#look = look;
  }

  /** Takes the frame on credit. Returns whether the stream may queue it beyond its bound. */
  take(debtor: Debtor, frame: Buffer): boolean {
    const debt = this.#debtOf(debtor);
    debt.credit += frame.length;
    if (frame !== this.#counted) this.#spent += frame.length;
    this.#counted = frame;
    return debt.credit <= this.#each && this.#spent <= this.#all;
  }

  /** Checks this stream from now on, because it is above its bound. */
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
