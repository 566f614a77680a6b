const EVENT = /^[A-Za-z0-9_.:-]{1,128}$/;
/** `open` and `error` are also what an EventSource says of itself; the gateway sends the others, or nothing by their names. */
const RESERVED = ['reset', 'denied', 'open', 'error', 'message'];

/** Whether a message can have this event. The gateway refuses the same ones. */
export function isEvent(name) {
  return EVENT.test(name) && !RESERVED.includes(name);
}

/** @returns why no message can have this event */
export function refusalOf(name) {
  return `No message can have the event "${name}": expected 1 to 128 of A-Z a-z 0-9 _ . : -, and not one of ${RESERVED.join(', ')}.`;
}
