import { requireChannel, requireUser } from '../message/names.ts';
import { jsonObjectOf, requireSize } from './json-body.ts';

export interface RightsChange {
  user: string;
  channel: string;
  /** The data of the message on the user's channel; `undefined` for the default text. */
  data: Buffer | undefined;
}

const MEMBERS = ['user', 'channel', 'data'];
const EXAMPLE = '{"user":"7","channel":"room:918"}';

/**
 * Parses the body of `POST /grant` and `/revoke`, as strictly as that of `/publish`.
 *
 * @param limits.maxMessage the largest message (bytes)
 * @throws SisyphusError `bad_*`, `too_large`, `unsupported_type`
 */
export function parseRightsChange(
  contentType: string | undefined,
  body: Buffer,
  limits: { maxMessage: number },
): RightsChange {
  const object = jsonObjectOf(contentType, body, MEMBERS, EXAMPLE);
  const data = object.bytes('data');
  if (data) requireSize(data, limits.maxMessage);
  return { user: requireUser(object.textOrInteger('user')), channel: requireChannel(object.get('channel')), data };
}
