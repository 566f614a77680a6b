import { now } from '../clock.ts';
import type { Frame, Problem, StreamNote } from '../ledger.ts';
import { listen } from './channel.ts';
import { FaultReader, type ReaderPlan } from './fault-reader.ts';

export interface ReaderOrder {
  /** The gateways, by port; whoever connects next takes one of them. */
  ports?: number[];
  open?: ReaderPlan[];
  close?: boolean;
  /** By name: they go away, or come back. */
  leave?: string[];
  comeBack?: { names: string[]; to: 'another' | 'the same' };
}

export interface ReaderReport {
  frames: Frame[];
  /** Each as it is opened, and once more when it is closed. */
  streams: StreamNote[];
  problems: Problem[];
}

/** Frames travel to the ledger in batches: a message each would cost more than the reading. */
const BATCH_MS = 40;

const readers: FaultReader[] = [];
let ports: number[] = [];
let report: ReaderReport = { frames: [], streams: [], problems: [] };

const send = listen<ReaderOrder, ReaderReport>((order) => {
  if (order.ports) ports = order.ports;
  for (const plan of order.open ?? []) {
    const reader = new FaultReader(plan, {
      ports: () => ports,
      frame: (frame) => report.frames.push(frame),
      stream: (stream) => report.streams.push({ ...stream }),
      problem: (what) => report.problems.push({ at: now(), who: plan.name, what }),
    });
    readers.push(reader);
    reader.connect();
  }
  for (const reader of readers) {
    if (order.leave?.includes(reader.name)) reader.leave();
    if (order.comeBack?.names.includes(reader.name)) reader.comeBack(order.comeBack.to);
  }
  if (order.close) for (const reader of readers) reader.close();
});

setInterval(() => {
  for (const reader of readers) reader.watch();
  if (report.frames.length + report.streams.length + report.problems.length === 0) return;
  send(report);
  report = { frames: [], streams: [], problems: [] };
}, BATCH_MS);
