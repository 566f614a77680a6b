import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT } from 'jose';

/** A key of an issuer, by the name that its tokens carry. */
export interface IssuerKey extends GenerateKeyPairResult {
  kid: string;
  alg: string;
}

export async function issuerKey(kid: string, alg = 'ES256'): Promise<IssuerKey> {
  return { kid, alg, ...(await generateKeyPair(alg, { extractable: true })) };
}

/** Signs a token that ends in an hour, unless the claims say otherwise. `kid`: `false` leaves it out. */
export async function sign({ kid, alg, privateKey }: IssuerKey, claims: object = {}, withKid = true): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const token = new SignJWT({ sub: '7', exp, ...claims });
  return token.setProtectedHeader({ alg, ...(withKid && { kid }) }).sign(privateKey);
}

/** An issuer that publishes its keys. `keys` may change, and `isDown` makes it answer 503. */
export class JwksServer {
  keys: IssuerKey[] = [];
  isDown = false;
  requests = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (_request, response) => {
      this.requests++;
      if (this.isDown) {
        response.writeHead(503).end();
        return;
      }
      const keys = await Promise.all(
        this.keys.map(async ({ kid, alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg })),
      );
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys }));
    });
  }

  /** @returns the address of the keys */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
