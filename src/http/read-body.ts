import type { IncomingMessage } from 'node:http';
import { SisyphusError } from '../errors.ts';

/** The whole body, if it has no more than so many bytes. @throws SisyphusError `too_large`, `bad_request` */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = (): SisyphusError =>
    new SisyphusError('too_large', `the body is too large: up to ${limit} bytes are right`);
  if (Number(request.headers['content-length']) > limit) {
    request.resume();
    throw tooLarge();
  }
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request) {
      length += (chunk as Buffer).length;
      if (length > limit) throw tooLarge();
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof SisyphusError) throw error;
    throw new SisyphusError('bad_request', 'the body ended before its end', { cause: error });
  }
  return Buffer.concat(chunks);
}
