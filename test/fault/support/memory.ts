import { residentMemory } from '../../support/process-figures.ts';

/** Looks at a process from now on; `end` answers by how many bytes it grew at most. */
export function watchMemory(pid: number, everyMs = 100): { end(): number } {
  let base: number | undefined;
  let peak = 0;
  const look = async (): Promise<void> => {
    const size = await residentMemory(pid).catch(() => 0);
    base ??= size;
    peak = Math.max(peak, size);
  };
  void look();
  const timer = setInterval(() => void look(), everyMs);
  return {
    end: () => {
      clearInterval(timer);
      return peak - (base ?? peak);
    },
  };
}
