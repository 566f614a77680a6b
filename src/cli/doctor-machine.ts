import type { Config } from '../config/config.ts';
import { Descriptors } from '../http/descriptors.ts';
import type { Finding } from './finding.ts';

/** Looks at the limits of this process, which are those of a gateway that is started from the same place. */
export function examineMachine({ maxStreams }: Pick<Config, 'maxStreams'>, descriptors = new Descriptors()): Finding[] {
  const lack = descriptors.lacks(maxStreams);
  if (!lack) {
    const limit = descriptors.limit === undefined ? 'an unknown number of' : descriptors.limit;
    return [
      { area: 'machine', level: 'ok', text: `a process may open ${limit} files, enough for ${maxStreams} streams` },
    ];
  }
  const { limit, needed } = lack;
  const text = `a process that is started here may open ${limit} files; SISYPHUS_MAX_STREAMS=${maxStreams} needs ${needed}`;
  const mend = `ulimit -n ${needed}, or LimitNOFILE=${needed} in the unit of systemd, or a lower SISYPHUS_MAX_STREAMS`;
  return [{ area: 'machine', level: 'weak', text, mend }];
}
