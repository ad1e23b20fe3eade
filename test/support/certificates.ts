/** Authority: certificates, keys, CRLs and OCSP responses made at run time by openssl(1); none are kept with the sources. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface IssueOptions {
  /** "DNS:example.com,IP:127.0.0.1,URI:spiffe://a/b"; '': none. */
  readonly names?: string;
  readonly key?: 'P-256' | 'RSA' | 'Ed25519';
  /** Encrypts the key. */
  readonly password?: string;
  /** -1: it ended a day ago. */
  readonly days?: number;
  /** An intermediate authority. */
  readonly isAuthority?: boolean;
}

export interface Issued {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly certificate: X509Certificate;
}

const KEYS = {
  'P-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  RSA: ['-newkey', 'rsa:2048'],
  Ed25519: ['-newkey', 'ed25519'],
} as const;

export class Authority {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly #directory: string;
  readonly #name: string;
  readonly #revoked: string[] = [];
  #count = 0;

  /** Signs itself, or is an intermediate that `issuer` made. */
  constructor(name: string, intermediate: Issued | null = null) {
    this.#directory = mkdtempSync(join(tmpdir(), 'millrace-certificates-'));
    this.#name = name;
    if (intermediate === null) {
      // biome-ignore format: an argument list
      this.#openssl('req', '-x509', ...KEYS['P-256'], '-nodes', '-days', '30', '-subj', `/CN=${name}`,
        '-keyout', this.#path('ca.key'), '-out', this.#path('ca.pem'),
        '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature');
    } else {
      writeFileSync(this.#path('ca.pem'), intermediate.certificatePem);
      writeFileSync(this.#path('ca.key'), intermediate.keyPem);
    }
    this.certificatePem = readFileSync(this.#path('ca.pem'), 'utf8');
    this.keyPem = readFileSync(this.#path('ca.key'), 'utf8');
  }

  issue(name: string, options: IssueOptions = {}): Issued {
    const { names = '', key = 'P-256', password, days = 20, isAuthority = false } = options;
    const stem = `issued-${++this.#count}`;
    const paths = {
      key: this.#path(`${stem}.key`),
      request: this.#path(`${stem}.csr`),
      out: this.#path(`${stem}.pem`),
    };
    const hidden = password === undefined ? ['-nodes'] : ['-passout', `pass:${password}`];
    this.#openssl(
      'req',
      '-new',
      ...KEYS[key],
      ...hidden,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      paths.key,
      '-out',
      paths.request,
    );
    const lines = [`basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`];
    if (names !== '') lines.push(`subjectAltName=${names}`);
    writeFileSync(this.#path('extensions'), lines.join('\n'));
    // biome-ignore format: an argument list
    this.#openssl('x509', '-req', '-in', paths.request, '-CA', this.#path('ca.pem'), '-CAkey', this.#path('ca.key'),
      '-CAcreateserial', '-days', String(days), '-extfile', this.#path('extensions'), '-out', paths.out);
    const certificatePem = readFileSync(paths.out, 'utf8');
    return {
      certificatePem,
      keyPem: readFileSync(paths.key, 'utf8'),
      certificate: new X509Certificate(certificatePem),
    };
  }

  /** The list of what was revoked so far, and this one. */
  revoke(issued: Issued | null): string {
    const { serialNumber, subject } = issued?.certificate ?? {};
    if (serialNumber !== undefined)
      this.#revoked.push(`R\t491231235959Z\t250101000000Z\t${serialNumber}\tunknown\t/${subject}\n`);
    writeFileSync(this.#path('index.txt'), this.#revoked.join(''));
    writeFileSync(this.#path('crlnumber'), '1000\n');
    const config = `[ca]\ndefault_ca=own\n[own]\ndatabase=${this.#path('index.txt')}\ncrlnumber=${this.#path('crlnumber')}\ndefault_md=sha256\ndefault_crl_days=20\n`;
    writeFileSync(this.#path('ca.conf'), config);
    // biome-ignore format: an argument list
    this.#openssl('ca', '-gencrl', '-config', this.#path('ca.conf'), '-cert', this.#path('ca.pem'),
      '-keyfile', this.#path('ca.key'), '-out', this.#path('crl.pem'));
    return readFileSync(this.#path('crl.pem'), 'utf8');
  }

  /** An OCSP response in DER that calls the certificate good. */
  ocspResponse(issued: Issued): Uint8Array {
    writeFileSync(this.#path('ocsp-subject.pem'), issued.certificatePem);
    writeFileSync(
      this.#path('ocsp-index.txt'),
      `V\t491231235959Z\t\t${issued.certificate.serialNumber}\tunknown\t/CN=x\n`,
    );
    const ca = this.#path('ca.pem');
    this.#openssl(
      'ocsp',
      '-issuer',
      ca,
      '-cert',
      this.#path('ocsp-subject.pem'),
      '-reqout',
      this.#path('ocsp.req'),
      '-no_nonce',
    );
    // biome-ignore format: an argument list
    this.#openssl('ocsp', '-index', this.#path('ocsp-index.txt'), '-CA', ca, '-rsigner', ca, '-rkey', this.#path('ca.key'),
      '-reqin', this.#path('ocsp.req'), '-respout', this.#path('ocsp.der'), '-ndays', '10');
    return readFileSync(this.#path('ocsp.der'));
  }

  /** Certificate, key and this authority's certificate as PKCS #12. */
  pkcs12(issued: Issued, password: string): Uint8Array {
    writeFileSync(this.#path('bundle.pem'), issued.certificatePem + issued.keyPem);
    const to = ['-out', this.#path('bundle.p12'), '-passout', `pass:${password}`];
    this.#openssl('pkcs12', '-export', '-in', this.#path('bundle.pem'), '-certfile', this.#path('ca.pem'), ...to);
    return readFileSync(this.#path('bundle.p12'));
  }

  /** What it made is gone; what was returned stays. */
  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }

  #openssl(...args: string[]): void {
    try {
      execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    } catch (error) {
      throw new Error(
        `${this.#name}: openssl ${args[0]}: ${(error as { stderr?: Buffer }).stderr?.toString() ?? error}`,
      );
    }
  }
}
