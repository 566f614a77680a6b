import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Changed, channelOfCollection } from '../../src/collection/collections.ts';
import type { Store } from '../../src/store/store.ts';
import { eventually } from '../support/wait.ts';
import { refusal } from './publishing.ts';
import { Ear, kept, type Open } from './store.ts';

const CHANNEL = channelOfCollection('drivers');
type Row = { driver_name: string } & Record<string, unknown>;
interface Told {
  version: number;
  revision: number;
  epoch: string;
  drivers: { create: string[]; update: Row[]; destroy: string[] };
}

const put = (store: Store, list: unknown): Promise<Changed> => store.collections.put('drivers', JSON.stringify(list));
const update = (...rows: Row[]) => rows.map((data) => ({ type: 'update', data }));
const remove = (...names: string[]) => names.map((name) => ({ type: 'delete', data: { driver_name: name } }));
const patch = (store: Store, ...batch: unknown[]): Promise<Changed> =>
  store.collections.patch('drivers', JSON.stringify(batch.flat()));

/** What a page has, by the rules of the document on live events. */
class Page {
  rows = new Map<string, Row>();
  revision = 0;
  epoch = '';
  startOvers = 0;

  async load(store: Store): Promise<void> {
    const { epoch, revision, records } = await store.collections.read('drivers');
    this.rows = new Map(records.map((text) => JSON.parse(text) as Row).map((row) => [row.driver_name, row]));
    this.revision = revision;
    this.epoch = epoch;
  }

  /** Answers whether the page has to start over. */
  apply({ revision, epoch, drivers }: Told): boolean {
    if (epoch === this.epoch && revision <= this.revision) return false;
    if (epoch !== this.epoch || revision !== this.revision + 1) return true;
    for (const name of drivers.destroy) this.rows.delete(name);
    for (const row of drivers.update) this.rows.set(row.driver_name, row);
    for (const name of drivers.create) expect(this.rows.has(name)).to.equal(true);
    this.revision = revision;
    return false;
  }
}

async function changesOf(store: Store): Promise<Told[]> {
  return (await kept(store, CHANNEL)).map(({ payload }) => JSON.parse(payload.toString()) as Told);
}

async function rowsOf(store: Store): Promise<Row[]> {
  return (await store.collections.read('drivers')).records.map((text) => JSON.parse(text) as Row);
}

export function collectionsContract(open: Open): void {
  describe('a collection', () => {
    it('is empty at revision 0 before anything is put', async () => {
      const store = await open();
      const { records, revision, epoch, key } = await store.collections.read('drivers');
      expect({ records, revision, key }).to.deep.equal({ records: [], revision: 0, key: 'driver_name' });
      expect(epoch).to.match(/^\d+$/);
      expect(await refusal(store.collections.read('others'))).to.equal('not_found');
      expect(await refusal(store.collections.put('others', '[]'))).to.equal('not_found');
      expect(await refusal(store.collections.put('__proto__', '[]'))).to.equal('not_found');
    });

    it('becomes the list that is put: what is new, other or gone is one message', async () => {
      const store = await open();
      const ear = await Ear.at(store, CHANNEL);
      await put(store, [
        { driver_name: 'Perry', lap: 1 },
        { driver_name: 'Sylvia', lap: 1 },
        { driver_name: 'Ada', lap: 1 },
      ]);
      const { epoch } = await store.collections.read('drivers');
      const changed = await put(store, [
        { driver_name: 'Josh' },
        { driver_name: 'Sylvia', lap: 2 },
        { driver_name: 'Ada', lap: 1 },
      ]);
      expect(changed).to.include({ revision: 2, created: 1, updated: 1, destroyed: 1 });
      await eventually(() => ear.messages.length === 2);
      expect(JSON.parse(ear.messages[1]!.payload.toString())).to.deep.equal({
        version: 2,
        revision: 2,
        epoch,
        drivers: {
          create: ['Josh'],
          update: [{ driver_name: 'Josh' }, { driver_name: 'Sylvia', lap: 2 }],
          destroy: ['Perry'],
        },
      });
      expect(ear.messages[1]).to.include({ id: changed.id, revision: 2 });
      expect((await rowsOf(store)).map(({ driver_name: name }) => name)).to.deep.equal(['Sylvia', 'Ada', 'Josh']);
    });

    it('has no other revision if nothing is different, however the list is written', async () => {
      const store = await open();
      const first = await store.collections.put('drivers', '[{"driver_name":"Ada","lap":1,"best":61.5}]');
      const same = '\n[ {"best": 61.50,\t"lap":1,\r\n "driver_name":"Ada"} ]\n';
      const second = await store.collections.put('drivers', same);
      expect(second).to.deep.equal({ ...first, created: 0 });
      expect(await changesOf(store)).to.have.length(1);
      expect(await patch(store)).to.deep.equal({ ...first, created: 0 });
      expect((await put(store, [])).revision).to.equal(2);
      expect((await put(store, [])).revision).to.equal(2);
      const { records, revision } = await store.collections.read('drivers');
      expect({ records, revision }).to.deep.equal({ records: [], revision: 2 });
    });

    it('keeps each record as it was sent: long numbers, empty lists, nested and odd texts', async () => {
      const store = await open();
      const records = [
        '{"driver_name":"a","id":9007199254740993,"x":1.10,"e":1e3,"n":-0.5}',
        '{"driver_name":"b","list":[],"object":{},"nothing":null,"yes":true}',
        '{"driver_name":"c","text":"}{ \\" \\\\ \\u00e9 [","deep":[[{"a":[{"b":"}"}]}]]}',
        '{"driver_name":"ü 🏁","text":"\\/\\b\\f\\n\\r\\t"}',
        '{"driver_name":"7\'s \\"best\\"","\\"":1}',
      ];
      await store.collections.put('drivers', `[${records.join(',')}]`);
      expect((await store.collections.read('drivers')).records).to.deep.equal(records);
      const [message] = await kept(store, CHANNEL);
      for (const record of records) expect(message!.payload.toString()).to.contain(record);
      const [told] = await changesOf(store);
      expect(told!.drivers.create).to.deep.equal(['a', 'b', 'c', 'ü 🏁', `7's "best"`]);
      expect((await store.collections.put('drivers', `[${records.join(' ,\n')}]`)).revision).to.equal(1);
      const other = records.map((text) => text.replace('9007199254740993', '9007199254740992'));
      expect((await store.collections.put('drivers', `[${other.join(',')}]`)).revision).to.be.within(1, 2);
    });

    it('takes a batch of updates and deletions as one revision; deleting what is not there is no error', async () => {
      const store = await open();
      await put(store, [{ driver_name: 'a' }, { driver_name: 'b', old: true }]);
      const changed = await patch(store, update({ driver_name: 'b', lap: 2 }, { driver_name: 'c' }), remove('a', 'x'));
      expect(changed).to.include({ revision: 2, created: 1, updated: 1, destroyed: 1 });
      expect(await rowsOf(store)).to.deep.equal([{ driver_name: 'b', lap: 2 }, { driver_name: 'c' }]);
      const [, { drivers }] = (await changesOf(store)) as [Told, Told];
      expect(drivers).to.deep.equal({
        create: ['c'],
        update: [{ driver_name: 'b', lap: 2 }, { driver_name: 'c' }],
        destroy: ['a'],
      });
      expect((await patch(store, update({ driver_name: 'c' }))).revision).to.equal(3);
      const dataFirst = '[ { "data" : {"driver_name":"d"} , "type" : "update" } ]';
      expect((await store.collections.patch('drivers', dataFirst)).revision).to.equal(4);
    });

    it('takes a whole number for its digits as a primary key', async () => {
      const store = await open();
      await store.collections.put('drivers', '[{"driver_name":7},{"driver_name":"eight"}]');
      expect((await patch(store, remove('7'))).destroyed).to.equal(1);
      expect((await changesOf(store)).map(({ drivers }) => [drivers.create, drivers.destroy])).to.deep.equal([
        [['7', 'eight'], []],
        [[], ['7']],
      ]);
    });

    for (const [what, batch, code] of [
      ['an unknown type', [{ type: 'upsert', data: { driver_name: 'a' } }], 'bad_request'],
      ['no type', [{ data: { driver_name: 'a' } }], 'bad_request'],
      ['no data', [{ type: 'update' }], 'bad_request'],
      ['one member too many', [{ type: 'update', data: { driver_name: 'a' }, more: 1 }], 'bad_request'],
      ['a record without its key', [...update({ driver_name: 'ok' }), { type: 'update', data: {} }], 'bad_request'],
      ['an empty key', update({ driver_name: '' }), 'bad_request'],
      ['a key that is an object', [{ type: 'update', data: { driver_name: {} } }], 'bad_request'],
      ['a broken number as a key', [{ type: 'update', data: { driver_name: 1.5 } }], 'bad_request'],
      ['a key that is too long', update({ driver_name: 'x'.repeat(257) }), 'bad_request'],
      ['a key with a control character', update({ driver_name: 'a\nb' }), 'bad_request'],
      ['the key __proto__', update({ driver_name: 'ok' }, { driver_name: '__proto__' }), 'bad_request'],
      ['a record that is a list', [{ type: 'update', data: [] }], 'bad_request'],
      ['no array', { type: 'update', data: { driver_name: 'a' } }, 'bad_request'],
      ['null', null, 'bad_request'],
      ['a list of texts', ['update'], 'bad_request'],
      ['a key twice', update({ driver_name: 'a' }, { driver_name: 'a', lap: 2 }), 'bad_request'],
      ['a key that is updated and deleted', [...update({ driver_name: 'a' }), ...remove('a')], 'bad_request'],
      ['a record that is too large', update({ driver_name: 'a', text: 'x'.repeat(262_144) }), 'too_large'],
    ] as [string, unknown, string][]) {
      it(`refuses a batch with ${what}, and nothing has changed`, async () => {
        const store = await open();
        await put(store, [{ driver_name: 'before' }]);
        const before = await store.collections.read('drivers');
        expect(await refusal(store.collections.patch('drivers', JSON.stringify(batch)))).to.equal(code);
        const { records, revision, epoch } = await store.collections.read('drivers');
        expect({ records, revision, epoch }).to.deep.equal({
          records: before.records,
          revision: before.revision,
          epoch: before.epoch,
        });
        expect(await changesOf(store)).to.have.length(1);
      });
    }

    for (const text of [
      ...['', ' ', '[', '[}', '[{"driver_name":"a"}', '[{"driver_name":"a"},]', '[{"driver_name":"a"}] x', '{}', 'x'],
      ...['[{"driver_name":"a","n":NaN}]', '[{"driver_name":"a","n":01}]', '[{"driver_name":"a","n":1.}]'],
      ...['[{"driver_name":"a","n":.5}]', '[{"driver_name":"a","n":+1}]', '[{"driver_name":"a","n":0x10}]'],
      ...['[{"driver_name":"a","n":"\t"}]', '[{"driver_name":"a","n":"\n"}]', '[{"driver_name":"a","n":\\u0031}]'],
      ...['[{"driver_name":"a","__proto__":{}}]', "[{'driver_name':'a'}]", '[{"driver_name":"a"},{"driver_name":"a"}]'],
    ]) {
      it(`refuses the list ${JSON.stringify(text)}`, async () => {
        const store = await open();
        expect(await refusal(store.collections.put('drivers', text))).to.equal('bad_request');
        expect(await store.collections.read('drivers')).to.include({ revision: 0 });
      });
    }

    it('has another epoch, and nothing in the message, if the change is larger than a message may be', async () => {
      const store = await open({ maxMessage: 500 });
      await put(store, [{ driver_name: 'a' }]);
      const page = new Page();
      await page.load(store);
      await put(
        store,
        Array.from({ length: 50 }, (_, i) => ({ driver_name: `driver ${i}` })),
      );
      const [, large] = (await changesOf(store)) as [Told, Told];
      expect(large.drivers).to.deep.equal({ create: [], update: [], destroy: [] });
      expect(large.revision).to.equal(2);
      expect(page.apply(large), 'starts over').to.equal(true);
      await page.load(store);
      expect(page.rows.size).to.equal(50);
      expect(page.epoch).to.equal(large.epoch);
      await patch(store, remove('driver 7'));
      expect(page.apply((await changesOf(store))[2]!)).to.equal(false);
      expect([...page.rows.values()]).to.deep.equal(await rowsOf(store));
    });

    it('destroys each record when its time is over, once, by a change like any other', async () => {
      const store = await open();
      const ear = await Ear.at(store, 'collection:users');
      const { collections } = store;
      await collections.put('users', '[{"login":"alice"},{"login":"bob"}]');
      expect(await collections.expire('users')).to.equal(0);
      await eventually(async () => {
        await collections.patch('users', '[{"type":"update","data":{"login":"bob"}}]');
        const counts = await Promise.all([collections.expire('users'), collections.expire('users')]);
        return counts[0]! + counts[1]! === 1;
      });
      const { records } = await collections.read('users');
      expect(records).to.deep.equal(['{"login":"bob"}']);
      await ear.mark('collection:users');
      const told = ear.messages.map(({ payload }) => JSON.parse(payload.toString()).users);
      expect(told.filter(({ destroy }) => destroy.length > 0)).to.deep.equal([
        { create: [], update: [], destroy: ['alice'] },
      ]);
      await wait(400);
      expect(await collections.expire('users')).to.equal(1);
      expect((await collections.read('users')).records).to.deep.equal([]);
    });

    it('keeps alive what is put again, although nothing is different', async () => {
      const store = await open();
      const { collections } = store;
      const { revision } = await collections.put('users', '[{"login":"alice"}]');
      const until = Date.now() + 600;
      while (Date.now() < until) {
        expect(await collections.put('users', '[{"login":"alice"}]')).to.include({ revision });
        expect(await collections.expire('users')).to.equal(0);
        await wait(20);
      }
    });

    it('is changed once by a change that is requested twice', async () => {
      const store = await open();
      const batch = JSON.stringify(update({ driver_name: 'a' }));
      const once = { key: 'k1', fingerprint: 'f' };
      const first = await store.collections.patch('drivers', batch, once);
      await patch(store, update({ driver_name: 'a', lap: 2 }));
      expect(await store.collections.patch('drivers', batch, once)).to.deep.equal(first);
      expect(await rowsOf(store)).to.deep.equal([{ driver_name: 'a', lap: 2 }]);
      const other = store.collections.patch('drivers', batch, { ...once, fingerprint: 'g' });
      expect(await refusal(other)).to.equal('idempotency_conflict');
    });

    it('gives a snapshot of at least the revision of every message before it, and joins the stream at its id', async () => {
      const store = await open();
      const ear = await Ear.at(store, CHANNEL);
      const writer = (async () => {
        for (let i = 0; i < 60; i++) await patch(store, update({ driver_name: `d${i % 7}`, i }));
      })();
      const page = new Page();
      const snapshots: { revision: number; id: number }[] = [];
      while (page.revision < 60) {
        const heard = ear.messages.at(-1)?.revision ?? 0;
        const { revision, id } = await store.collections.read('drivers');
        expect(revision).to.be.at.least(heard);
        snapshots.push({ revision, id });
        await page.load(store);
      }
      await writer;
      const all = await kept(store, CHANNEL);
      for (const { revision, id } of snapshots) {
        expect(all.filter((message) => message.id <= id)).to.have.length(revision);
      }
      expect([...page.rows.values()]).to.deep.equal(await rowsOf(store));
    });

    it('does what its model does, whatever is put, patched and read', async () => {
      const store = await open({ backlog: { length: 1000, ttl: 3_600_000, rules: [] } });
      const name = fc.constantFrom('a', 'b', 'c', 'ü', '{', '"', 'x y', '0');
      const row = fc.record({
        driver_name: name,
        lap: fc.integer({ min: 0, max: 2 }),
        x: fc.jsonValue({ maxDepth: 2 }),
      });
      const rows = fc.uniqueArray(row, { selector: ({ driver_name: key }) => key, maxLength: 6 });
      const step = fc.oneof(
        fc.record({ kind: fc.constant('put' as const), rows }),
        fc.record({ kind: fc.constant('patch' as const), rows, gone: fc.uniqueArray(name, { maxLength: 3 }) }),
      );
      const page = new Page();
      await page.load(store);
      const model = new Map<string, unknown>();
      let revision = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
          for (const one of steps) {
            // JSON has no -0 and no undefined.
            const list = JSON.parse(JSON.stringify(one.rows)) as Row[];
            if (one.kind === 'put') {
              const wanted = new Map(list.map((record) => [record.driver_name, record]));
              const isWritten = JSON.stringify([...wanted].sort()) === JSON.stringify([...model].sort());
              const { revision: now } = await put(store, list);
              // If it is only written otherwise, a record may count as changed in doubt.
              const most = isWritten ? 0 : 1;
              const least = most === 1 && !isDeepStrictEqual(wanted, model) ? 1 : 0;
              expect(now - revision).to.be.within(least, most);
              for (const key of [...model.keys()]) if (!wanted.has(key)) model.delete(key);
              for (const [key, record] of wanted) model.set(key, record);
              revision = now;
            } else {
              const gone = one.gone.filter((key) => !list.some((record) => record.driver_name === key));
              const batch = [...update(...list), ...remove(...gone)];
              const { revision: now } = await patch(store, batch);
              expect(now - revision).to.equal(batch.length > 0 ? 1 : 0);
              for (const key of gone) model.delete(key);
              for (const record of list) model.set(record.driver_name, record);
              revision = now;
            }
          }
          for (const message of await changesOf(store)) {
            if (page.apply(message)) {
              page.startOvers++;
              await page.load(store);
            }
          }
          const stored = new Map((await rowsOf(store)).map((record) => [record.driver_name, record]));
          expect([...stored.values()]).to.have.deep.members([...model.values()]);
          expect([...page.rows.values()]).to.have.deep.members([...model.values()]);
          expect(page.revision).to.equal(revision);
        }),
        { numRuns: 25 },
      );
      expect(page.startOvers).to.equal(0);
    });
  });
}
