import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { run } from '../../src/cli/run.ts';
import { Child } from '../support/child.ts';
import { Collector, FakeGateway, type FakeRequest, runCommand } from '../support/command-line.ts';
import { NamedPipe } from '../support/named-pipe.ts';
import { eventually } from '../support/wait.ts';

const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));

const FAILURE = 'id: 9\ndata: {"status":"failure"}\nretry: 30000\n\n';

function open(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(text);
}

/** Tails a gateway that answers each connect with the next of these, and then refuses the user, so that it ends. */
async function tail(args: string[], answers: ((response: ServerResponse) => void)[]) {
  const gateway = new FakeGateway((_request: FakeRequest, response, count) => {
    const answer = answers[count - 1];
    if (answer) answer(response);
    else
      open(
        response,
        args.includes('--raw') ? FAILURE.replace(/\{.*\}/, '<message><status>failure</status></message>') : FAILURE,
      );
  });
  const url = await gateway.start();
  try {
    return { ...(await runCommand(['tail', '7', '--url', url, ...args])), requests: gateway.requests };
  } finally {
    await gateway.stop();
  }
}

describe('tail', () => {
  it('prints messages with channel and revision, resets, and what is neither silently passed nor able to steer a terminal', async () => {
    const { code, stdout, stderr, requests } = await tail(
      [],
      [
        (response) => {
          open(response, 'id: 1\ndata: {"status":"ok"}\nretry: 5\n\n');
          response.write('data: {"channel":"room:1","revision":3,"id":"2","data":"two\\nlines\\u001b[31m"}\nid: 2\n\n');
          response.write('event: opened\ndata: {"channel":"room:1","revision":4,"id":"3","data":{"a":[1]}}\nid: 3\n\n');
          response.write('id: 3\ndata: {"noop":true}\n\n');
          response.write('event: reset\ndata: {"reset":{"channel":"room:2","reason":"trimmed"}}\nid: 3\n\n');
          response.end();
        },
      ],
    );
    expect(code).to.equal(1);
    expect(stdout.split('\n')).to.deep.equal([
      '-- ok',
      '1970-01-01T00:00:00.000Z 2 room:1 #3 two',
      '  lines\\u001b[31m',
      '1970-01-01T00:00:00.000Z 3 room:1 #4 (opened) {"a":[1]}',
      '-- reset {"channel":"room:2","reason":"trimmed"}',
      '-- failure',
      '',
    ]);
    expect(stderr).to.match(/ended the stream; again in 0\.0 s\nsisyphus: the gateway does not take this user\n$/);
    expect(requests[0].path).to.equal('/stream?user=7&format=json');
  });

  it('prints a line of JSON for each event with --json, and asks for the channels that are named', async () => {
    const { stdout, requests } = await tail(
      ['--json', '--channel', 'room:1, room:2'],
      [
        (response) => {
          open(response, 'id: 1\ndata: {"status":"ok"}\nretry: 5\n\n');
          const message = '{"channel":"room:1","revision":3,"id":"1795206467123456","data":"x"}';
          response.write(`event: e\ndata: ${message}\nid: 1795206467123456\n\n`);
          response.end('id: 3\ndata: {"noop":true}\n\n');
        },
      ],
    );
    const [ok, message, failure, ...more] = stdout.split('\n');
    expect(JSON.parse(ok!)).to.deep.equal({ id: '1', status: 'ok' });
    expect(JSON.parse(message!)).to.deep.equal({
      time: '2026-11-20T20:27:47.123Z',
      id: '1795206467123456',
      event: 'e',
      channel: 'room:1',
      revision: 3,
      data: 'x',
    });
    expect(JSON.parse(failure!)).to.include({ status: 'failure' });
    expect(more).to.deep.equal(['']);
    expect(requests[0].path).to.equal('/stream?user=7&format=json&c=room%3A1&c=room%3A2');
  });

  it('comes back with the position of the last whole message, after the time it was told', async () => {
    const start = performance.now();
    const { requests, stdout } = await tail(
      ['--raw', '--overlap', '2'],
      [
        (response) => {
          open(response, 'id: 1\ndata: <message><status>ok</status></message>\nretry: 300\n\n');
          response.write('data: one\nid: 2\n\ndata: tw', () => setTimeout(() => response.destroy(), 20));
        },
        (response) => response.destroy(),
        (response) => open(response, 'id: 2\ndata: <message><status>failure</status></message>\n\n'),
      ],
    );
    expect(performance.now() - start).to.be.above(600);
    expect(requests.map(({ headers }) => headers['last-event-id'])).to.deep.equal([undefined, '2', '2']);
    expect(requests[0].path).to.equal('/stream?user=7&format=raw&overlap=2');
    expect(stdout).to.match(
      /^id: 1\ndata: <message><status>ok<\/status><\/message>\nretry: 300\n\ndata: one\nid: 2\n\nid: 2\n/,
    );
    expect(stdout).not.to.contain('tw\n');
  });

  it('ends with 1 where no gateway answers, and where what answers is none', async () => {
    const other = await tail([], [(response) => response.writeHead(404, { 'Content-Type': 'text/html' }).end()]);
    expect(other).to.include({ code: 1, stdout: '' });
    expect(other.stderr).to.match(/is no gateway: it answered 404, text\/html\n$/);
    const none = await runCommand(['tail', '7', '--url', 'http://127.0.0.1:2']);
    expect(none.code).to.equal(1);
    expect(none.stderr).to.match(/^sisyphus: cannot reach http:\/\/127\.0\.0\.1:2 \(/);
  });

  it('asks the gateway of SISYPHUS_URL', async () => {
    const gateway = new FakeGateway((_request, response) => open(response, FAILURE));
    const env = { SISYPHUS_URL: await gateway.start() };
    await run(['tail', '7'], { env, stdin: Readable.from([]), stdout: new Collector(), stderr: new Collector() });
    await gateway.stop();
    expect(gateway.requests).to.have.length(1);
  });
});

describe('tail with a credential', () => {
  const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln';

  async function tailWith(args: string[], answer: string, options: { env?: Record<string, string>; stdin?: string }) {
    const gateway = new FakeGateway((_request, response) => open(response, answer));
    const url = await gateway.start();
    const result = await runCommand(['tail', '--url', url, ...args], options).finally(() => gateway.stop());
    return { ...result, requests: gateway.requests };
  }

  it('sends it in a header, and never in the address, wherever it comes from', async () => {
    const ways = [
      { env: { SISYPHUS_ACCESS_TOKEN: TOKEN } },
      { env: { SISYPHUS_ACCESS_TOKEN: '-' }, stdin: `${TOKEN}\r\n` },
      { args: ['--access-token', '-'], stdin: TOKEN },
    ];
    for (const { args = [], ...options } of ways) {
      const { requests, stderr } = await tailWith(args, FAILURE, options);
      expect(requests[0]!.headers.authorization).to.equal(`Bearer ${TOKEN}`);
      expect(requests[0]!.path).to.equal('/stream?format=json');
      expect(stderr).not.to.contain(TOKEN);
    }
  });

  it('ends with the reason of a refusal, in both formats, instead of asking again', async () => {
    const options = { env: { SISYPHUS_ACCESS_TOKEN: TOKEN } };
    const json = 'id: 9\ndata: {"status":"failure","reason":"expired"}\nretry: 30\n\n';
    const raw = 'id: 9\ndata: <message><status>failure</status></message>\nretry: 30\n: expired\n\n';
    for (const [args, answer] of [
      [[], json],
      [['--raw'], raw],
    ] as const) {
      const { code, stderr, requests } = await tailWith([...args], answer, options);
      expect(code).to.equal(1);
      expect(stderr).to.equal('sisyphus: the gateway does not take this credential (expired)\n');
      expect(requests).to.have.length(1);
    }
  });

  it('says what is wrong with one that no header can carry, and does not show it', async () => {
    for (const options of [
      { env: { SISYPHUS_ACCESS_TOKEN: 'two words' } },
      { env: { SISYPHUS_ACCESS_TOKEN: '-' }, stdin: 'two words' },
    ]) {
      const { code, stderr, requests } = await tailWith([], FAILURE, options);
      expect(code).to.equal(2);
      expect(stderr).to.match(/is no credential: expected/);
      expect(stderr).not.to.contain('two words');
      expect(requests).to.have.length(0);
    }
    const neither = await tailWith([], FAILURE, {});
    expect(neither.code).to.equal(2);
    expect(neither.stderr).to.match(/tail needs a user/);
  });
});

describe('tail where nobody reads what it prints', () => {
  it('stops reading as well, so that nothing piles up', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
    const pipe = new NamedPipe(join(folder, 'pipe'));
    const event = `data: ${'x'.repeat(16_000)}\nid: 1\n\n`;
    let sent = 0;
    const gateway = new FakeGateway(async (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      for (; sent < 64_000_000 && !response.destroyed; sent += event.length) {
        if (!response.write(event)) await once(response, 'drain');
      }
    });
    const command = `exec '${process.execPath}' '${BIN}' tail 7 --raw --url ${await gateway.start()} > '${pipe.path}'`;
    const child = new Child('/bin/sh', ['-c', command]);
    try {
      await eventually(() => sent > 1_000_000, 10_000);
      const isQuiet = async (): Promise<boolean> => {
        const before = sent;
        await wait(500);
        return sent === before;
      };
      await eventually(isQuiet, 10_000);
      // The buffers of the kernel, on both sides, and of Node.
      expect(sent).to.be.below(32_000_000);
      expect(pipe.read()).to.contain(event);
    } finally {
      await child.end('SIGTERM');
      await gateway.stop();
      pipe.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('the reading of events', () => {
  const EVENTS = [
    'id: 1\ndata: {"status":"ok"}\nretry: 1\n\n',
    ': a comment\nunknown\nevent: e\ndata:  {"channel":"room:1",\ndata\ndata:"revision":3,"data":" ü "}\nid: 2\n\n',
    'data: {"noop":"unfinished"}\nid: 3\n',
  ];

  it('is the same wherever the stream is cut', async () => {
    const stream = Buffer.from(EVENTS.join(''));
    const cuts = Array.from({ length: stream.length - 1 }, (_, index) => index + 1);
    const answers = cuts.map((cut) => async (response: ServerResponse) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      await new Promise((sent) => response.write(stream.subarray(0, cut), sent));
      await wait(1);
      response.end(stream.subarray(cut));
    });
    const { stdout, requests } = await tail([], answers);
    const lines = stdout.split('\n').slice(0, -2);
    expect(lines).to.deep.equal(cuts.flatMap(() => ['-- ok', 'room:1 #3 (e)  ü ']));
    expect(requests.slice(1).map(({ headers }) => headers['last-event-id'])).to.deep.equal(cuts.map(() => '2'));
  });

  it('gives whole events with --raw, as they are on the wire', async () => {
    const stream = Buffer.from(EVENTS.join(''));
    const { stdout } = await tail(
      ['--raw'],
      [(response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(stream)],
    );
    expect(stdout).to.match(/^id: 1\n/);
    expect(stdout.slice(0, EVENTS[0]!.length + EVENTS[1]!.length)).to.equal(EVENTS[0]! + EVENTS[1]!);
    expect(stdout).not.to.contain('unfinished');
  });

  it('knows no time to wait that no timer could hold', async () => {
    const text = 'id: 1\ndata: {"status":"ok"}\nretry: 20\n\ndata: {"noop":true}\nretry: 99999999999\n\n';
    const { stderr } = await tail(
      [],
      [(response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(text)],
    );
    expect(stderr).to.contain('again in 0.0 s');
  });
});
