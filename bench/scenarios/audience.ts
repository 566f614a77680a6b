import type { Reader } from '../peers/peer.ts';
import { USERS } from '../publisher.ts';

/** Everybody in one room. */
export const oneRoom = (count: number, room = 0): Reader[] =>
  Array.from({ length: count }, (_, user) => ({ user, channels: [room] }));

/** Each user with nothing but their own channel. */
export const personal = (count: number): Reader[] =>
  Array.from({ length: count }, (_, user) => ({ user, channels: [USERS + user] }));

export const ROOMS = 500;

/** Each user with their own channel and 10 of 500 rooms; every room gets as many users as the next. */
export const mixed = (count: number): Reader[] =>
  Array.from({ length: count }, (_, user) => ({
    user,
    channels: [USERS + user, ...Array.from({ length: 10 }, (_, i) => (user * 7 + i * 50) % ROOMS)],
  }));
