import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';

/**
 * Hands a request on to a gateway, and its answer back as it comes, as a proxy does.
 *
 * @param gateway its address
 * @param buffers the answer is kept until it has ended
 */
export function handOn(request: IncomingMessage, response: ServerResponse, gateway: string, buffers = false): void {
  const { method, headers, url } = request;
  const asked = ask(gateway + url, { method: method!, headers, agent: false });
  asked.on('error', () => {
    if (!response.headersSent) response.writeHead(502);
    response.end();
  });
  response.on('close', () => asked.destroy());
  asked.on('response', (answer) => {
    const writeHead = () => response.writeHead(answer.statusCode!, answer.headers);
    const chunks: Buffer[] = [];
    if (!buffers) writeHead().flushHeaders();
    answer.on('data', (chunk: Buffer) => (buffers ? chunks.push(chunk) : response.write(chunk)));
    answer.on('end', () => {
      if (buffers) writeHead();
      response.end(Buffer.concat(chunks));
    });
    // The connection broke off, without its end.
    answer.on('error', () => response.destroy());
  });
  request.pipe(asked);
}
