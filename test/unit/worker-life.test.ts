import { createServer, type Server } from 'node:http';
import { expect } from 'chai';
import { type Stopping, WorkerLife } from '../../src/cli/worker-life.ts';

describe('the life of a worker', () => {
  let server: Server;
  let stops: object[];
  let life: WorkerLife<Stopping>;

  beforeEach(() => {
    server = createServer();
    stops = [];
    life = new WorkerLife<Stopping>(() => ({
      context: { server },
      stop: async (options = {}) => {
        stops.push(options);
      },
    }));
  });
  afterEach(() => server.close());

  it('starts nothing if it is told to stop before it may begin', async () => {
    life.stop(false);
    life.begin();
    expect(await life.begun).to.equal(undefined);
    expect(life.gateway).to.equal(undefined);
    expect(stops).to.deep.equal([]);
  });

  it('stops at once if it is told to while it starts, and does not listen any more', async () => {
    life.begin();
    expect(await life.begun)
      .to.equal(life.gateway)
      .and.not.to.equal(undefined);
    life.stop(false);
    await life.stopped;
    server.listen(0);
    expect(server.address(), 'nothing listens').to.equal(null);
    expect(stops, 'nobody has to notice first').to.deep.equal([{ isReplaced: true }]);
  });

  it('stops as it is told when it serves', async () => {
    life.begin();
    await new Promise<void>((resolve) => server.listen(0, resolve));
    life.stop(false);
    await life.stopped;
    expect(stops).to.deep.equal([{ isReplaced: false }]);
  });
});
