import { expect } from 'chai';
import { freePort } from '../support/child.ts';
import { runCommand } from '../support/command-line.ts';
import { startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const ADMIN: [method: string, path: string][] = [
  ['GET', '/status'],
  ['GET', '/metrics'],
  ['POST', '/publish'],
  ['POST', '/grant'],
  ['POST', '/revoke'],
  ['POST', '/disconnect'],
  ['POST', '/tokens'],
  ['DELETE', '/tokens'],
  ['POST', `/sock.it/${'f'.repeat(32)}/send`],
];
const READERS: [method: string, path: string][] = [
  ['GET', '/?user=1'],
  ['GET', '/stream?user=1'],
  ['GET', '/position'],
  ['GET', '/channels/room:1/messages?user=1'],
  ['GET', '/rt?user=1&c=room:1'],
  ['POST', '/sock.it/poll-start'],
];

describe('a port of their own for publishers and operators', function () {
  this.timeout(30_000);
  let world: World;
  let admin: string;

  beforeEach(async () => {
    world = await startWorld({
      SISYPHUS_ADMIN_PORT: '0',
      SISYPHUS_PROTOCOLS: 'rt,sock.it',
      SISYPHUS_DRAIN: '2s',
    });
    const line = world.gateway.logs.find(({ event }) => event === 'listening')!;
    admin = `http://127.0.0.1:${line.admin}`;
  });
  afterEach(() => world.stop());

  const statusOf = async (base: string, [method, path]: [string, string]): Promise<number> => {
    const headers = { Authorization: `Bearer ${PUBLISH_SECRET}`, 'Content-Type': 'application/json' };
    const body = method === 'POST' ? '{}' : undefined;
    const response = await fetch(`${base}${path}`, { method, headers, ...(body && { body }) });
    await response.body?.cancel();
    return response.status;
  };

  it('answers them there alone, and readers nowhere else than on PORT', async () => {
    const { url } = world.gateway;
    for (const route of ADMIN) {
      expect(await statusOf(url, route), `${route} on PORT`).to.equal(404);
      const isThere = route[1].startsWith('/sock.it/') ? [404] : [200, 400, 403];
      expect(isThere, `${route} on the other one`).to.include(await statusOf(admin, route));
    }
    for (const route of READERS) expect(await statusOf(admin, route), `${route}`).to.equal(404);
    for (const base of [url, admin]) {
      for (const path of ['/healthz', '/readyz']) expect(await statusOf(base, ['GET', path])).to.equal(200);
    }
  });

  it('says on each port what is on the other one, and so do commands that ask the wrong one', async () => {
    const { url } = world.gateway;
    const messageAt = async (address: string): Promise<string> =>
      ((await (await fetch(address)).json()) as { message: string }).message;
    expect(await messageAt(`${url}/status`)).to.match(/operators are answered on SISYPHUS_ADMIN_PORT$/);
    expect(await messageAt(`${admin}/stream`)).to.match(/streams on PORT$/);
    expect((await runCommand(['tail', '1', '--url', admin])).stderr).to.match(
      /opens no stream \(404\): .* streams on PORT\n$/,
    );
    expect((await runCommand(['status', '--url', url])).stdout).to.contain('SISYPHUS_ADMIN_PORT');
  });

  it('is found by commands that have the environment of the gateway', async () => {
    const env = { PORT: String(world.gateway.port), SISYPHUS_ADMIN_PORT: new URL(admin).port };
    expect(await runCommand(['status'], { env })).to.include({ code: 0 });
    const ping = await runCommand(['ping', '--count', '1'], {
      env: { ...env, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET },
    });
    expect(ping, ping.stderr).to.include({ code: 0 });
  });

  it('publishes there, and a reader on PORT hears it', async () => {
    const stream = await world.openOk({ path: '/?user=1' });
    const response = await postPublish(admin, JSON.stringify({ channel: 'user:1', data: 'hello' }));
    expect(response.status).to.equal(200);
    await stream.until(({ messages }) => messages.some(({ data }) => data === 'hello'));
  });

  it('goes on telling how the gateway is while it drains, and takes nothing more to publish', async () => {
    await Promise.all(['1', '2', '3', '4'].map((user) => world.openOk({ path: `/?user=${user}` })));
    world.gateway.kill('SIGTERM');
    await world.gateway.waitForLog(({ event }) => event === 'draining');
    const status = (await (await fetch(`${admin}/status`)).json()) as { draining: boolean };
    expect(status.draining).to.equal(true);
    expect((await fetch(`${admin}/readyz`)).status).to.equal(503);
    const refused = await postPublish(admin, JSON.stringify({ channel: 'user:1', data: 'late' }));
    expect(refused.status).to.equal(503);
    expect(await world.gateway.exited).to.deep.equal({ code: 0, signal: null });
    await eventually(() =>
      fetch(`${admin}/status`).then(
        () => false,
        () => true,
      ),
    );
  });
});

describe('the port of publishers and operators that is taken', () => {
  it('is refused with its name', async () => {
    const world = await startWorld({ SISYPHUS_ADMIN_PORT: String(await freePort()) });
    try {
      const { admin } = world.gateway.logs.find(({ event }) => event === 'listening')!;
      const failed = await startGateway({ REDIS_URL: world.redis.url, SISYPHUS_ADMIN_PORT: String(admin) }).then(
        (gateway) => gateway.stop().then(() => ''),
        (error: Error) => error.message,
      );
      expect(failed).to.include(`port ${admin} on 127.0.0.1 is taken: SISYPHUS_ADMIN_PORT names another`);
    } finally {
      await world.stop();
    }
  });
});
