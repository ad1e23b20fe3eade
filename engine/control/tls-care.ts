/** TlsCare: what TLS needs of main over time: ticket keys that rotate, files that are renewed, certificates that expire. */
import { randomBytes } from 'node:crypto';
import type { CertificateRecord } from '../plan/tls-records.js';
import { EXPIRY_WARNING_DAYS } from './compile-certificates.js';
import { type FileWatch, watchDirectory, watchFile } from './watch.js';

const TICKET_KEY_BYTES = 80;
/** A key encrypts for so long, and decrypts for as long again: whoever gets hold of one reads no more than that. */
const ROTATION_MS = 12 * 3600 * 1000;
/** A certificate and its key are written one after the other; between the two they don't fit. */
const QUIET_MS = 200;
const DAY_MS = 86400000;

export interface TlsCareOptions {
  readonly onTicketKeys: (keys: Uint8Array) => void;
  /** A file may hold something else than what is in force. */
  readonly onFiles: () => void;
  readonly log: (level: string, component: string, message: string) => void;
}

export class TlsCare {
  readonly #options: TlsCareOptions;
  readonly #watches = new Map<string, FileWatch>();
  readonly #directories = new Map<string, FileWatch>();
  #quiet: NodeJS.Timeout | null = null;
  #rotation: NodeJS.Timeout | null = null;
  #certificates: readonly CertificateRecord[] = [];
  /** 80 bytes each; the first encrypts. For every context whose keys no file holds. */
  ticketKeys: Uint8Array = Uint8Array.from(randomBytes(TICKET_KEY_BYTES));

  constructor(options: TlsCareOptions) {
    this.#options = options;
  }

  /** What a plan in force was made of. directories: those in which the config says that something may move. */
  attend(paths: readonly string[], directories: readonly string[], certificates: readonly CertificateRecord[]): void {
    this.#certificates = certificates;
    this.#keepWatches(this.#watches, paths, (path) => watchFile(path, () => this.#onChange()));
    this.#keepWatches(this.#directories, directories, (path) => watchDirectory(path, () => this.#onMove()));
    if (certificates.length > 0 && this.#rotation === null)
      this.#rotation = setInterval(() => this.rotate(), ROTATION_MS).unref();
  }

  #keepWatches(watches: Map<string, FileWatch>, wanted: readonly string[], begin: (path: string) => FileWatch): void {
    for (const [path, watch] of watches)
      if (!wanted.includes(path)) {
        watch.close();
        watches.delete(path);
      }
    for (const path of new Set(wanted)) {
      if (watches.has(path)) continue;
      try {
        watches.set(path, begin(path));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.#options.log('warning', 'tls', `${path} can't be watched; a reload takes what is in it: ${why}`);
      }
    }
  }

  /** A part of a path may be a link that leads elsewhere by now: the files are watched where they are. */
  #onMove(): void {
    const paths = [...this.#watches.keys()];
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
    this.#keepWatches(this.#watches, paths, (path) => watchFile(path, () => this.#onChange()));
    this.#onChange();
  }

  #onChange(): void {
    if (this.#quiet !== null) clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#quiet = null;
      this.#options.onFiles();
    }, QUIET_MS).unref();
  }

  /** New ticket keys; tickets of the key before are still taken. And a look at what expires. */
  rotate(): void {
    const before = this.ticketKeys.subarray(0, TICKET_KEY_BYTES);
    // No view of a pool: what crosses threads crosses whole.
    this.ticketKeys = Uint8Array.from([...randomBytes(TICKET_KEY_BYTES), ...before]);
    this.#options.onTicketKeys(this.ticketKeys);
    for (const warning of expiryWarnings(this.#certificates, Date.now())) this.#options.log('warning', 'tls', warning);
  }

  stop(): void {
    for (const watch of [...this.#watches.values(), ...this.#directories.values()]) watch.close();
    if (this.#quiet !== null) clearTimeout(this.#quiet);
    if (this.#rotation !== null) clearInterval(this.#rotation);
  }
}

/** Whole days, 0 when it is over. */
export function daysLeft(certificate: CertificateRecord, wallMs: number): number {
  return Math.max(0, Math.floor((certificate.expiresMs - wallMs) / DAY_MS));
}

/** Each certificate once. */
export function expiryWarnings(certificates: readonly CertificateRecord[], wallMs: number): string[] {
  const found = new Set<string>();
  for (const certificate of certificates) {
    const days = daysLeft(certificate, wallMs);
    const when = certificate.expiresMs < wallMs ? 'has expired' : `expires in ${days} days`;
    if (days <= EXPIRY_WARNING_DAYS)
      found.add(`certificate ${certificate.serialNumber} of ${certificate.path} ${when}`);
    const { ocsp } = certificate;
    if (ocsp !== null && ocsp.expiresMs <= wallMs)
      found.add(`the OCSP response for certificate ${certificate.serialNumber} of ${certificate.path} is over`);
  }
  return [...found];
}
