/** TlsFiles: certificates, keys and revocation lists as files, made at run time; and the messages of configs that name them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CertificateOptions {
  /** Distinguished name in openssl's form; default: CN is the file's name. */
  readonly subject?: string;
  /** "DNS:a.example,IP:127.0.0.1" */
  readonly san?: string;
  readonly days?: number;
  /** Issued in the past, over by now. */
  readonly isExpired?: boolean;
  readonly key?: 'ec' | 'rsa' | 'rsa1024';
  readonly digest?: 'sha256' | 'sha1';
  readonly password?: string;
  readonly isServer?: boolean;
  /** RFC 7633. */
  readonly isMustStaple?: boolean;
  /** keyUsage in openssl's form. */
  readonly usage?: string;
}

export interface ResponseOptions {
  /** When it ends; null: it says nothing of that. Default: in ten days. */
  readonly until?: Date | null;
}

/** Paths of what was made. */
export interface Made {
  readonly certificate: string;
  readonly key: string;
}

export class TlsFiles {
  readonly directory: string;
  readonly certificate: string;
  readonly #key: string;
  readonly #name: string;

  /** name: of the root, in the directory of another one where it is given. */
  constructor(name = 'root', directory = mkdtempSync(join(tmpdir(), 'millrace-ca-'))) {
    this.directory = directory;
    this.#name = name;
    this.certificate = this.path(`${name}.pem`);
    this.#key = this.path(`${name}.key`);
    writeFileSync(this.path(`${name}.index`), '');
    writeFileSync(this.path(`${name}.index.attr`), 'unique_subject = no\n');
    writeFileSync(this.path(`${name}.crlnumber`), '01\n');
    writeFileSync(
      this.path(`${name}.cnf`),
      [
        '[ca]\ndefault_ca = own\n[own]',
        `database = ${this.path(`${name}.index`)}`,
        `crlnumber = ${this.path(`${name}.crlnumber`)}`,
        `certificate = ${this.certificate}\nprivate_key = ${this.#key}`,
        `new_certs_dir = ${directory}\nserial = ${this.path(`${name}.serial`)}`,
        'default_md = sha256\ndefault_crl_days = 30\ndefault_days = 90\npolicy = any\nunique_subject = no',
        '[any]\ncountryName = optional\norganizationName = optional\norganizationalUnitName = optional\ncommonName = optional',
        '[req]\ndistinguished_name = dn\n[dn]\n[root]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n',
      ].join('\n'),
    );
    writeFileSync(this.path(`${name}.serial`), '1000\n');
    this.#newKey(this.#key, 'ec');
    const subject = `/O=millrace/CN=${name}`;
    const made = ['-x509', '-new', '-key', this.#key, '-out', this.certificate, '-days', '3650', '-subj', subject];
    this.#openssl('req', ...made, '-config', this.path(`${name}.cnf`), '-extensions', 'root');
  }

  path(file: string): string {
    return join(this.directory, file);
  }

  /** A certificate of this authority, with its key, as <file>.pem and <file>.key. */
  issue(file: string, options: CertificateOptions = {}): Made {
    const { subject = `/O=millrace/CN=${file}`, san = '', days = 90, isExpired = false, digest = 'sha256' } = options;
    const made = { certificate: this.path(`${file}.pem`), key: this.path(`${file}.key`) };
    this.#newKey(made.key, options.key ?? 'ec', options.password);
    const extensions = this.path(`${file}.ext`);
    const { usage = 'digitalSignature,keyEncipherment' } = options;
    const lines = ['[leaf]', 'basicConstraints = CA:FALSE', `keyUsage = ${usage}`];
    if (options.isMustStaple === true) lines.push('tlsfeature = status_request');
    if (san !== '') lines.push(`subjectAltName = ${san}`);
    writeFileSync(extensions, `${lines.join('\n')}\n`);
    const request = this.path(`${file}.csr`);
    const pass = options.password === undefined ? [] : ['-passin', `pass:${options.password}`];
    const config = ['-config', this.path(`${this.#name}.cnf`)];
    this.#openssl('req', '-new', '-key', made.key, '-out', request, '-subj', subject, ...config, ...pass);
    const dates = isExpired
      ? ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z']
      : ['-days', String(days)];
    const from = ['-in', request, '-out', made.certificate, '-notext', '-md', digest, '-preserveDN'];
    this.#openssl('ca', '-batch', ...config, ...from, '-extfile', extensions, '-extensions', 'leaf', ...dates);
    return made;
  }

  /** Revokes and answers the list's path. */
  revoke(...certificates: string[]): string {
    const config = ['-config', this.path(`${this.#name}.cnf`)];
    for (const certificate of certificates) this.#openssl('ca', ...config, '-revoke', certificate);
    const list = this.path(`${this.#name}.crl`);
    this.#openssl('ca', ...config, '-gencrl', '-out', list);
    return list;
  }

  /** A response of this authority that calls the certificate good, in DER; its path. */
  ocspResponse(made: Made, { until }: ResponseOptions = {}): string {
    const request = `${made.certificate}.ocspreq`;
    const response = `${made.certificate}.ocsp`;
    const own = ['-issuer', this.certificate, '-no_nonce'];
    this.#openssl('ocsp', ...own, '-cert', made.certificate, '-reqout', request);
    const signer = ['-rsigner', this.certificate, '-rkey', this.#key, '-CA', this.certificate];
    const index = ['-index', this.path(`${this.#name}.index`), ...(until === null ? [] : ['-ndays', '10'])];
    this.#openssl('ocsp', ...index, ...signer, '-reqin', request, '-respout', response);
    if (until != null) writeFileSync(response, endingAt(readFileSync(response), until));
    return response;
  }

  /** Certificate, key and root as PKCS #12; its path. */
  bundle(made: Made, password: string, ...more: string[]): string {
    const bundle = `${made.certificate}.p12`;
    const from = ['-in', made.certificate, '-inkey', made.key, '-certfile', this.certificate];
    this.#openssl('pkcs12', '-export', ...from, '-out', bundle, '-passout', `pass:${password}`, ...more);
    return bundle;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #newKey(path: string, kind: 'ec' | 'rsa' | 'rsa1024', password?: string): void {
    const what =
      kind === 'ec'
        ? ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
        : ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${kind === 'rsa' ? 2048 : 1024}`];
    const lock = password === undefined ? [] : ['-aes-128-cbc', '-pass', `pass:${password}`];
    this.#openssl('genpkey', ...what, ...lock, '-out', path);
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** openssl(1) makes none that are over: the last of its times is written over, and the signature is no longer right. */
function endingAt(response: Buffer, until: Date): Buffer {
  const times = [...response.toString('latin1').matchAll(/\x18\x0f(\d{14}Z)/g)];
  // producedAt, thisUpdate, nextUpdate
  const { index = 0 } = times[2] as RegExpMatchArray;
  response.write(`${until.toISOString().replace(/[-:T]|\.\d+/g, '')}`, index + 2, 'latin1');
  return response;
}

/** "@type" of a transport socket's message. */
const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

export function downstreamTls(common: object, more: object = {}): object {
  const typed = { '@type': `${TYPE}.DownstreamTlsContext`, common_tls_context: common, ...more };
  return { name: 'envoy.transport_sockets.tls', typed_config: typed };
}

export function upstreamTls(common: object, more: object = {}): object {
  const typed = { '@type': `${TYPE}.UpstreamTlsContext`, common_tls_context: common, ...more };
  return { name: 'envoy.transport_sockets.tls', typed_config: typed };
}

export function tlsCertificate(made: Made, more: object = {}): object {
  return { certificate_chain: { filename: made.certificate }, private_key: { filename: made.key }, ...more };
}
