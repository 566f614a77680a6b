import { expect } from 'chai';
import fc from 'fast-check';
import { CLOSE_REASONS, type CloseReason } from '../../src/connection/close-reason.ts';
import { REFUSALS, type Refusal } from '../../src/connection/refusal.ts';
import { TRANSPORTS } from '../../src/connection/transport.ts';
import { Counters, sum } from '../../src/counters.ts';
import { RESET_REASONS } from '../../src/message/reset.ts';

/** Whatever can be counted, once. */
const VERBS: ((counters: Counters) => void)[] = [
  (counters) => counters.messageHealed(),
  (counters) => counters.duplicateDropped(),
  (counters) => counters.messageUnconfirmed(),
  (counters) => counters.connectionDropped(),
  (counters) => counters.pollMessagesDropped(3),
  (counters) => counters.limitReached('SISYPHUS_MAX_OPENS'),
  (counters) => counters.limitReached('SISYPHUS_MAX_CHANNELS'),
  (counters) => counters.plainRecorded(3, 1),
  (counters) => counters.recorderFenced(),
  (counters) => counters.recorderLeads(),
  (counters) => counters.messageReceived(5),
  (counters) => counters.messageDelivered(5),
  // Of powers of two the sum does not depend on the order.
  (counters) => counters.messageWritten('stream', 0.25),
  (counters) => counters.messageWritten('sock.it', 64),
  (counters) => counters.storeAnswered(0.001953125),
  (counters) => counters.replayed('memory', 0),
  (counters) => counters.replayed('backlog', 12),
  ...TRANSPORTS.map((transport) => (counters: Counters) => counters.streamOpened(transport)),
  ...RESET_REASONS.map((reason) => (counters: Counters) => counters.readerReset(reason)),
  ...Object.keys(CLOSE_REASONS).map((reason) => (counters: Counters) => counters.streamClosed(reason as CloseReason)),
  ...Object.keys(REFUSALS).map((word) => (counters: Counters) => counters.streamRefused(word as Refusal)),
];

describe('what is counted', () => {
  it('begins with nothing, and names each word only when it has come', () => {
    const counters = new Counters();
    const nothing = counters.snapshot();
    expect([nothing.resets, nothing.closed, nothing.refused]).to.deep.equal([{}, {}, {}]);
    counters.streamClosed('slow');
    counters.streamClosed('slow');
    counters.plainRecorded(3, 1);
    expect(counters.snapshot()).to.deep.equal({
      ...nothing,
      closed: { slow: 2 },
      recorder: { recorded: 3, unrecordable: 1, fenced: 0, changes: 0 },
    });
    expect(nothing.closed, 'a snapshot stays what it was').to.deep.equal({});
  });

  it('adds up what another version has counted besides', () => {
    const other = { ...new Counters().snapshot(), novel: { first: 2 } };
    expect(sum([other, other])).to.deep.include({ novel: { first: 4 } });
  });

  it('adds up, over processes: as if one had counted all of it', () => {
    const events = fc.array(fc.tuple(fc.nat(3), fc.nat(VERBS.length - 1)), { maxLength: 200 });
    fc.assert(
      fc.property(events, (counted) => {
        const all = new Counters();
        const each = Array.from({ length: 4 }, () => new Counters());
        for (const [process, verb] of counted) {
          VERBS[verb]!(all);
          VERBS[verb]!(each[process]!);
        }
        // As it comes from another process.
        const snapshots = each.map((one) => JSON.parse(JSON.stringify(one.snapshot())));
        const before = JSON.stringify(snapshots);
        expect(sum(snapshots)).to.deep.equal(all.snapshot());
        expect(JSON.stringify(snapshots), 'what is added up stays what it was').to.equal(before);
      }),
      { numRuns: 50 },
    );
    expect(sum([])).to.deep.equal(new Counters().snapshot());
  });
});
