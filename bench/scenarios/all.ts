import type { Case, Size } from '../scenario.ts';
import { collections } from './collections.ts';
import { connect, storm } from './connect.ts';
import { fairness } from './fairness.ts';
import { bursts, fanOut } from './fan-out.ts';
import { growth } from './growth.ts';
import { idle } from './idle.ts';
import { mixedLoad, personal } from './personal.ts';
import { record } from './record.ts';

const SCENARIOS = [fanOut, bursts, personal, mixedLoad, idle, connect, storm, record, growth, fairness, collections];

export const allCases = (size: Size): Case[] => SCENARIOS.flatMap((scenario) => scenario(size));
