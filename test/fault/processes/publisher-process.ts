import type { Publication } from '../ledger.ts';
import { listen } from './channel.ts';
import { FaultPublisher, type PublisherPlan } from './fault-publisher.ts';

export interface PublisherOrder {
  start?: PublisherPlan;
  /** The gateways, for those who publish over HTTP. */
  ports?: number[];
  /** Where Redis listens from now on. */
  redisPort?: number;
  rate?: number;
  /** Stop publishing, and say so when the last answer has come or its wait has ended. */
  finish?: boolean;
}

export interface PublisherReport {
  publications?: Publication[];
  finished?: boolean;
}

const BATCH_MS = 40;
const done: Publication[] = [];
let publisher: FaultPublisher | undefined;
let finished = false;

const send = listen<PublisherOrder, PublisherReport>((order) => {
  if (order.start) publisher = new FaultPublisher(order.start, (publication) => done.push(publication));
  if (order.ports) publisher?.gateways(order.ports);
  if (order.redisPort) publisher?.redisAt(order.redisPort);
  if (order.rate !== undefined) publisher?.setRate(order.rate);
  if (order.finish) {
    void publisher?.finish().then(() => {
      finished = true;
    });
  }
});

setInterval(() => {
  if (done.length > 0) send({ publications: done.splice(0) });
  if (finished) send({ finished: true });
  finished = false;
}, BATCH_MS);
