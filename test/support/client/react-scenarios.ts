import { expect } from 'chai';
import {
  act,
  createElement as h,
  type ReactElement,
  StrictMode,
  Suspense,
  startTransition,
  use,
  useEffect,
  useLayoutEffect,
  useState,
} from 'react';
import { flushSync } from 'react-dom';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import type { MessageFrame } from '../../../src/client/frames.ts';
import {
  type ChannelOptions,
  type Stream,
  type StreamRef,
  useChannel,
  useCollection,
  useSisyphus,
  useStatus,
} from '../../../src/client/react.ts';
import { FakeStream } from './fake-stream.ts';

// These run in Chromium, each in a page of its own: test/browser/client-react.test.ts bundles them.

const ROOM = 'room:1';
type Texts = readonly string[];
const append = (texts: Texts, { data }: MessageFrame<string>): Texts => [...texts, data];

function Latest({ stream, channel = ROOM }: { stream: Stream | StreamRef; channel?: string }): ReactElement {
  const message = useChannel<string>(stream, channel);
  return h('p', {}, message?.data ?? 'none');
}

interface ListProps extends Partial<ChannelOptions<Texts, string>> {
  stream: Stream | StreamRef;
  channel?: string;
}

function List({ stream, channel = ROOM, ...options }: ListProps): ReactElement {
  const texts = useChannel<Texts, string>(stream, channel, { initial: [], reduce: append, ...options });
  return h('p', {}, texts.join());
}

function Board({ stream, options }: { stream: Stream | StreamRef; options?: object }): ReactElement {
  const drivers = useCollection(stream, 'drivers', options);
  return h('p', {}, drivers ? [...drivers].map(([key, { lap }]) => `${key} ${lap}`).join() : 'loading');
}

function State({ stream }: { stream: Stream | StreamRef }): ReactElement {
  return h('p', {}, useStatus(stream).state);
}

let root: Root | undefined;
let place: HTMLElement;

async function render(...elements: (ReactElement | null)[]): Promise<void> {
  if (!root) {
    place = document.body.appendChild(document.createElement('div'));
    root = createRoot(place);
  }
  await act(async () => root!.render(h(StrictMode, {}, ...elements)));
}

async function unmount(): Promise<void> {
  await act(async () => root?.unmount());
  root = undefined;
}

const shown = (): string[] => [...place.querySelectorAll('p')].map(({ textContent }) => textContent!);
const send = (stream: FakeStream, data: unknown, channel = ROOM): Promise<void> =>
  act(async () => stream.send(channel, data));

export const SCENARIOS: Record<string, () => Promise<void>> = {
  async 'useChannel gives the last message, and of another channel if that is another'() {
    const stream = new FakeStream();
    await render(h(Latest, { stream }));
    expect(shown()).to.deep.equal(['none']);
    await send(stream, 'one');
    await send(stream, 'two');
    await send(stream, 'elsewhere', 'room:2');
    expect(shown()).to.deep.equal(['two']);
    await render(h(Latest, { stream, channel: 'room:2' }));
    expect(shown()).to.deep.equal(['none']);
    await send(stream, 'here', 'room:2');
    expect(shown()).to.deep.equal(['here']);
    expect(stream.count).to.equal(1);
    await unmount();
    expect(stream.count).to.equal(0);
  },

  async 'useChannel adds messages up, also with functions that are new at each rendering'() {
    const stream = new FakeStream();
    const inline = (): ReactElement => h(List, { stream, initial: ['first'], reduce: (all, m) => append(all, m) });
    await render(inline());
    await send(stream, 'a');
    await render(inline());
    await send(stream, 'b');
    expect(shown()).to.deep.equal(['first,a,b']);
    expect(stream.count).to.equal(1);
  },

  async 'components of one channel share its state, if they have the same function'() {
    const stream = new FakeStream();
    const reverse = (texts: Texts, { data }: MessageFrame<string>): Texts => [data, ...texts];
    await render(h(List, { stream, key: 1 }), null, h(List, { stream, key: 3, reduce: reverse }));
    await send(stream, 'a');
    await render(
      h(List, { stream, key: 1 }),
      h(List, { stream, key: 2 }),
      h(List, { stream, key: 3, reduce: reverse }),
    );
    expect(shown(), 'of a component that came later').to.deep.equal(['a', 'a', 'a']);
    await send(stream, 'b');
    expect(shown()).to.deep.equal(['a,b', 'a,b', 'b,a']);
    expect(stream.count).to.equal(2);
    await render(null, h(List, { stream, key: 2 }), null);
    await send(stream, 'c');
    expect(shown(), 'of the one that stays').to.deep.equal(['a,b,c']);
    expect(stream.count).to.equal(1);
  },

  async 'a component that comes when nobody has listened begins at its own beginning'() {
    const stream = new FakeStream();
    await render(h(List, { stream }));
    await send(stream, 'a');
    await render(null);
    expect(stream.count).to.equal(0);
    await send(stream, 'b');
    await render(h(List, { stream, initial: ['new'] }));
    await send(stream, 'c');
    expect(shown()).to.deep.equal(['new,c']);
  },

  async 'components that change places in one rendering keep the state'() {
    const stream = new FakeStream();
    await render(h('section', {}, h(List, { stream })));
    await send(stream, 'a');
    await render(h('article', {}, h(List, { stream })));
    expect(shown()).to.deep.equal(['a']);
  },

  async 'one that comes while others leave is not forgotten by them'() {
    const stream = new FakeStream();
    const other = createRoot(document.createElement('div'));
    function Between(): null {
      useEffect(() => () => queueMicrotask(() => flushSync(() => other.render(h(Latest, { stream })))), []);
      return null;
    }
    await render(h(Latest, { stream }));
    await act(async () => root!.render(h('div', {}, h(Latest, { stream }), h(Between), h(Latest, { stream }))));
    await render(null);
    await send(stream, 'a');
    await render(h(Latest, { stream }));
    expect(shown(), 'what the other has').to.deep.equal(['a']);
    await act(async () => other.unmount());
  },

  async 'strict mode loads once, loses no message and leaves no listener'() {
    const stream = new FakeStream();
    let loads = 0;
    const load = async (): Promise<Texts> => [`loaded ${++loads}`];
    await render(h(List, { stream, load }), h(State, { stream }), h(Latest, { stream }));
    await act(async () => {
      stream.send(ROOM, 'a');
      stream.say({ state: 'ok' });
    });
    expect(shown()).to.deep.equal(['loaded 1,a', 'ok', 'a']);
    expect(stream.count).to.equal(4);
    await unmount();
    expect(stream.count).to.equal(0);
  },

  async 'load is called again after a reset, and for another channel'() {
    const stream = new FakeStream();
    const asked: string[] = [];
    const load: ListProps['load'] = async ({ channels }) => {
      asked.push(...channels);
      return [`${channels} ${asked.length}`];
    };
    await render(h(List, { stream, load }));
    await send(stream, 'a');
    expect(shown()).to.deep.equal(['room:1 1,a']);
    await act(async () => stream.reset(ROOM));
    expect(shown()).to.deep.equal(['room:1 2']);
    await render(h(List, { stream, load, channel: 'room:2' }));
    expect(shown()).to.deep.equal(['room:2 3']);
  },

  async 'what a page was rendered with is not loaded if the stream is not past it'() {
    const load = async (): Promise<Texts> => ['loaded'];
    const rendered = { load, initial: ['rendered'], since: '1000' };
    for (const [position, expected] of [
      ['1000', 'rendered'],
      ['999', 'rendered'],
      ['1001', 'loaded'],
      [undefined, 'loaded'],
    ]) {
      const stream = new FakeStream(position);
      await render(h(List, { stream, ...rendered }));
      expect(shown(), `at ${position}`).to.deep.equal([expected]);
      await act(async () => stream.reset(ROOM));
      expect(shown(), `reset at ${position}`).to.deep.equal(['loaded']);
      await unmount();
    }
  },

  async 'useStatus follows the stream'() {
    const stream = new FakeStream();
    stream.say({ state: 'error', reason: 'lost' });
    await render(h(State, { stream }), h(State, { stream }));
    expect(shown()).to.deep.equal(['error', 'error']);
    await act(async () => stream.say({ state: 'ok' }));
    expect(shown()).to.deep.equal(['ok', 'ok']);
  },

  async 'useCollection gives another map after each change, and shares it'() {
    const stream = new FakeStream();
    const maps = new Set<unknown>();
    function Keep(): null {
      maps.add(useCollection(stream, 'drivers', options));
      return null;
    }
    let snapshots = 0;
    const options = { fetch: async () => ({ ok: true, json: async () => snapshotOf(++snapshots) }) as Response };
    await render(h(Board, { stream, options }), h(Board, { stream, options }), h(Keep));
    expect(shown()).to.deep.equal(['a 1', 'a 1']);
    await render(h(Board, { stream, options }), h(Board, { stream, options }), h(Keep));
    expect(maps.size, 'undefined, and the first one').to.equal(2);
    const change = { create: ['b'], update: [{ name: 'b', lap: 7 }], destroy: [] };
    await send(stream, { revision: 2, epoch: '1', drivers: change }, 'collection:drivers');
    expect(shown()).to.deep.equal(['a 1,b 7', 'a 1,b 7']);
    expect([...maps].map((map) => (map as Map<string, unknown> | undefined)?.size)).to.deep.equal([undefined, 1, 2]);
    expect(snapshots).to.equal(1);
    await unmount();
    expect(stream.count).to.equal(0);
  },

  async 'useSisyphus opens one stream, behind all that listen, and closes it with its component'() {
    const streams: FakeStream[] = [];
    let early = -1;
    const open = (): Stream => {
      const stream = new FakeStream('1000');
      streams.push(stream);
      // The first message comes as soon as it can.
      setTimeout(() => {
        early = stream.count;
        stream.send(ROOM, 'early');
      });
      return stream;
    };
    let ref: StreamRef | undefined;
    function App(): ReactElement {
      ref = useSisyphus(open);
      return h('div', {}, h(List, { stream: ref }), h(Board, { stream: ref }), h(State, { stream: ref }));
    }
    await render(h(App));
    await act(async () => new Promise((done) => setTimeout(done, 10)));
    expect(streams).to.have.length(1);
    expect(early, 'list, board and its load, state').to.equal(4);
    expect(shown()[0]).to.equal('early');
    expect(ref!.current).to.equal(streams[0]);
    await unmount();
    expect([streams[0]!.status.state, streams[0]!.count, streams.length]).to.deep.equal(['closed', 0, 1]);
  },

  async 'useSisyphus opens nothing for a rendering that is given up'() {
    let opened = 0;
    const never = new Promise<never>(() => {});
    function App(): ReactElement {
      const ref = useSisyphus(() => {
        opened++;
        return new FakeStream();
      });
      useChannel(ref, ROOM);
      useStatus(ref);
      return use(never);
    }
    await render(h(Suspense, { fallback: h('p', {}, 'waiting') }, h(App)));
    await render(h('p', {}, 'gone'));
    expect([shown(), opened]).to.deep.equal([['gone'], 0]);
  },

  async 'a page that a server has rendered goes on where it was rendered'() {
    const stream = new FakeStream('1000');
    let opened = 0;
    let loads = 0;
    const load = async (): Promise<Texts> => [`loaded ${++loads}`];
    const options = { initial: snapshotOf(1), fetch: load as never };
    function App(): ReactElement {
      const ref = useSisyphus(() => {
        opened++;
        return stream;
      });
      return h(
        'div',
        {},
        h(List, { stream: ref, initial: ['old'], since: '1000', load }),
        h(Board, { stream: ref, options }),
        h(State, { stream: ref }),
      );
    }
    place = document.body.appendChild(document.createElement('div'));
    place.innerHTML = renderToString(h(StrictMode, {}, h(App)));
    expect(shown()).to.deep.equal(['old', 'a 1', 'connecting']);
    expect(opened, 'on the server').to.equal(0);
    const problems: unknown[] = [];
    const before = place.querySelector('p');
    await act(async () => {
      const options = { onRecoverableError: (error: unknown) => problems.push(error) };
      root = hydrateRoot(place, h(StrictMode, {}, h(App)), options);
    });
    await send(stream, 'new');
    await act(async () => stream.say({ state: 'ok' }));
    expect(shown()).to.deep.equal(['old,new', 'a 1', 'ok']);
    expect(place.querySelector('p'), 'what the server has rendered').to.equal(before);
    expect([problems, opened, loads]).to.deep.equal([[], 1, 0]);
  },

  async 'all components show one state, also if a message comes in the middle of a rendering'() {
    const stream = new FakeStream();
    const seen: string[][] = [];
    let isSending = false;
    function Slow({ at }: { at: number }): ReactElement {
      const message = useChannel<string>(stream, ROOM);
      const end = performance.now() + 3;
      while (performance.now() < end);
      if (isSending && at === 10) {
        isSending = false;
        setTimeout(() => stream.send(ROOM, 'in between'));
      }
      return h('p', {}, message?.data ?? 'none');
    }
    let show: (isShown: boolean) => void = () => {};
    function App(): ReactElement {
      const [isShown, set] = useState(false);
      show = set;
      useLayoutEffect(() => void seen.push([...new Set(shown())]));
      return h('div', {}, isShown ? Array.from({ length: 20 }, (_, at) => h(Slow, { key: at, at })) : null);
    }
    (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = false;
    place = document.body.appendChild(document.createElement('div'));
    root = createRoot(place);
    root.render(h('div', {}, h(App), h(Latest, { stream })));
    await until(() => shown().length === 1);
    stream.send(ROOM, 'before');
    isSending = true;
    startTransition(() => show(true));
    await until(() => shown().length === 21 && shown()[0] === 'in between');
    for (const texts of seen) expect(texts).to.have.length.at.most(1);
  },
};

async function until(check: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!check()) {
    if (performance.now() > end) throw new Error(`not in time: ${shown()}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

const snapshotOf = (lap: number) => ({
  drivers: [{ name: 'a', lap }],
  revision: 1,
  epoch: '1',
  id: '1000',
  key: 'name',
});

/** Runs the scenario. @throws Error if it fails, or if React complains */
export async function run(name: string): Promise<void> {
  const complaints: unknown[] = [];
  console.error = (...words: unknown[]) => complaints.push(words.join(' '));
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  try {
    await SCENARIOS[name]!();
    expect(complaints).to.deep.equal([]);
  } finally {
    await unmount();
    place?.remove();
  }
}
