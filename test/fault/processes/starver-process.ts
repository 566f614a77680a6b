import { listen } from './channel.ts';

export interface StarverOrder {
  pids: number[];
  /** They run for this share of each period (ms), and stand still for the rest of it. */
  duty: number;
  period: number;
  /** For so long (ms). */
  lasts: number;
}

export interface StarverReport {
  done: true;
}

/** Takes the processor away from others, in time also while whoever ordered it is busy. */
const send = listen<StarverOrder, StarverReport>(({ pids, duty, period, lasts }) => {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const say = (signal: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended.
      }
    }
  };
  const end = Date.now() + lasts;
  while (Date.now() < end) {
    say('SIGSTOP');
    Atomics.wait(clock, 0, 0, period * (1 - duty));
    say('SIGCONT');
    Atomics.wait(clock, 0, 0, period * duty);
  }
  send({ done: true });
});
