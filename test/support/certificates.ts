import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const CONFIG = `
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[root]
basicConstraints = critical,CA:TRUE
[ca]
default_ca = ours
[ours]
database = index
new_certs_dir = .
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
`;

export interface Issued {
  /** Paths of PEM files. */
  cert: string;
  key: string;
}

interface Request {
  /** Subject alternative names, such as `IP:127.0.0.1,DNS:localhost`. */
  names?: string;
  /** The time of its validity, as `YYYYMMDDHHMMSSZ`. */
  from?: string;
  till?: string;
}

/** A certificate authority in a temporary folder, made with openssl. */
export class Authority {
  readonly #folder: string;
  /** Settles when the last certificate asked for is signed: two `openssl ca` at once fail on its index. */
  #signing: Promise<unknown> = Promise.resolve();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** The path of the file with its own certificate. */
  get cert(): string {
    return join(this.#folder, 'ca.pem');
  }

  static async create(name: string): Promise<Authority> {
    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-ca-'));
    await writeFile(join(folder, 'config'), CONFIG);
    await writeFile(join(folder, 'index'), '');
    const authority = new Authority(folder);
    await authority.#makeKey('ca.key');
    const root = ['-x509', '-extensions', 'root', '-subj', `/CN=${name}`, '-days', '365'];
    await authority.#openssl('req', '-config', 'config', '-new', '-key', 'ca.key', ...root, '-out', 'ca.pem');
    return authority;
  }

  async issue(
    name: string,
    { names, from = '20200101000000Z', till = '20991231235959Z' }: Request = {},
  ): Promise<Issued> {
    const [key, csr, cert] = [`${name}.key`, `${name}.csr`, `${name}.pem`];
    await this.#makeKey(key);
    const extension = names === undefined ? [] : ['-addext', `subjectAltName=${names}`];
    await this.#openssl(
      'req',
      '-config',
      'config',
      '-new',
      '-key',
      key,
      '-subj',
      `/CN=${name}`,
      ...extension,
      '-out',
      csr,
    );
    const signer = ['-config', 'config', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-batch', '-notext'];
    const sign = () => this.#openssl('ca', ...signer, '-startdate', from, '-enddate', till, '-in', csr, '-out', cert);
    const signed = this.#signing.then(sign);
    this.#signing = signed.catch(() => {});
    await signed;
    return { cert: join(this.#folder, cert), key: join(this.#folder, key) };
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #makeKey(name: string): Promise<void> {
    return this.#openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', name);
  }

  async #openssl(...args: string[]): Promise<void> {
    await run('openssl', args, { cwd: this.#folder });
  }
}

/** Both as PEM, for servers and clients that take no paths. */
export async function contentOf({ cert, key }: Issued): Promise<{ cert: string; key: string }> {
  const [certText, keyText] = await Promise.all([readFile(cert, 'utf8'), readFile(key, 'utf8')]);
  return { cert: certText, key: keyText };
}
