import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../support/documents.ts';

/** Who needs the time of day, which may be set while a gateway runs. Whoever measures how long something takes asks the monotonic clock. */
const TIME_OF_DAY = [
  // When a credential ends.
  ...[
    'auth/forward.ts',
    'auth/token.ts',
    'http/console/pass.ts',
    'http/identification.ts',
    'http/console/report-feed.ts',
    'session/session-registry.ts',
    'sync/time-token.ts',
  ],
  // What is compared with another clock, or is shown.
  ...[
    'store/redis/figures.ts',
    'store/redis/marks.ts',
    'poll/inbox-request.ts',
    'http/utc-date.ts',
    'http/console/fleet-watch.ts',
    'http/console/report.ts',
    'output.ts',
  ],
  // Ids are times.
  ...['message/position.ts', 'store/memory/memory-store.ts'],
];

describe('the time of day', () => {
  it('is asked only by those who need it: a clock that is set back must not make anything wait', () => {
    const src = join(ROOT, 'src');
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    // What runs in a browser is not meant.
    const asking = files.filter(
      (name) =>
        !/^(?:client|live-page|console)\//.test(name) && /\bDate\.now\b/.test(readFileSync(join(src, name), 'utf8')),
    );
    expect(asking).to.have.members(TIME_OF_DAY);
  });
});
