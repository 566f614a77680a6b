/**
 * A trace and the span in it that published a message, as the header `traceparent` has them: version, trace, span, flags.
 * https://www.w3.org/TR/trace-context/#traceparent-header
 */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The length of what `parseTrace` answers (characters). */
export const TRACE_LENGTH = 55;

/** The flag that the trace is recorded: of a later version, the only one whose meaning is known. */
const SAMPLED = 0x01;

/** @returns the trace in the form of version 00; `undefined` if the header is none, which the standard wants ignored */
export function parseTrace(header: string): string | undefined {
  const [, version, trace, span, flags = '', more] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined) return undefined;
  if (version !== '00') return `00-${trace}-${span}-0${Number.parseInt(flags, 16) & SAMPLED}`;
  return more === undefined ? header : undefined;
}
