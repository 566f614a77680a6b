import type { IncomingMessage } from 'node:http';
import { SisyphusError } from '../errors.ts';

/** How many times the largest message a body may be: it may be a batch, and JSON may escape each character of a text. */
const FACTOR = 16;

/**
 * Reads the whole body. If it is too large, the rest is read and discarded: a connection that is closed with unread bytes is
 * reset, and the client might never see the response.
 *
 * @param maxMessage in bytes
 * @throws SisyphusError `too_large`, `unsupported_type`, `bad_request`
 */
export async function readBody(request: IncomingMessage, maxMessage: number, factor = FACTOR): Promise<Buffer> {
  const limit = factor * maxMessage;
  const coding = request.headers['content-encoding']?.trim() ?? '';
  if (!/^(identity)?$/i.test(coding)) throw compressed(coding);
  if (Number(request.headers['content-length']) > limit) throw tooLarge(limit);
  const body = await readUpTo(request, limit);
  // The first two bytes of gzip: some senders forget the header.
  if (body[0] === 0x1f && body[1] === 0x8b) throw compressed('gzip');
  return body;
}

function readUpTo(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= limit) chunks.push(chunk);
      else {
        request.off('data', take).resume();
        reject(tooLarge(limit));
      }
    };
    request.on('data', take);
    request.once('end', () => resolve(Buffer.concat(chunks)));
    // After `end` the promise is settled, and these have no effect.
    const ended = (): void => reject(new SisyphusError('bad_request', 'the body ended before its end'));
    request.once('error', ended).once('close', ended);
  });
}

function tooLarge(limit: number): SisyphusError {
  return new SisyphusError('too_large', `the body is too large: expected up to ${limit} bytes`);
}

function compressed(coding: string): SisyphusError {
  const given = coding.slice(0, 40);
  return new SisyphusError(
    'unsupported_type',
    `the body is compressed (Content-Encoding: ${given}), which is not supported: expected it as it is, without Content-Encoding`,
  );
}
