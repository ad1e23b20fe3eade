/** TlsContexts: one worker's TLS contexts, made once for equal options and kept over reloads with their sessions. */
import type { TlsContext, TlsContextOptions } from '../io/tls.js';
import type { Transport } from '../io/transport.js';

export interface TlsContextRecord {
  /** Digest of the rest: the same key over reloads is the same context. */
  readonly key: string;
  readonly options: TlsContextOptions;
  /** Of files that the config names, 80 bytes each, the first one encrypts; null = those that main makes and rotates. */
  readonly ticketKeys: Uint8Array | null;
}

interface Live {
  readonly context: TlsContext;
  readonly usesSharedKeys: boolean;
}

export class TlsContexts {
  readonly #transport: Transport;
  #live = new Map<string, Live>();
  #ticketKeys: Uint8Array | null = null;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The keys that all workers share; tickets of the ones before are still taken as long as these hold them. */
  setTicketKeys(keys: Uint8Array): void {
    this.#ticketKeys = keys;
    for (const { context, usesSharedKeys } of this.#live.values()) if (usesSharedKeys) context.setTicketKeys(keys);
  }

  /** The contexts of a plan that is being built. */
  draft(): TlsContextsDraft {
    const before = this.#live;
    const wanted = new Map<string, Live>();
    const fresh: Live[] = [];
    return {
      get: (record) => {
        let live = wanted.get(record.key) ?? before.get(record.key);
        if (live === undefined) {
          live = this.#open(record);
          fresh.push(live);
        }
        wanted.set(record.key, live);
        return live.context;
      },
      commit: () => {
        for (const [key, { context }] of this.#live) if (!wanted.has(key)) context.close();
        this.#live = wanted;
        // They may have been rotated since.
        if (this.#ticketKeys !== null) this.setTicketKeys(this.#ticketKeys);
      },
      discard: () => {
        for (const { context } of fresh) context.close();
      },
    };
  }

  #open(record: TlsContextRecord): Live {
    const { options, ticketKeys } = record;
    const context = this.#transport.newTlsContext(options);
    const usesSharedKeys = options.role === 'server' && options.sessionTickets && ticketKeys === null;
    const keys = ticketKeys ?? (usesSharedKeys ? this.#ticketKeys : null);
    if (keys !== null) context.setTicketKeys(keys);
    return { context, usesSharedKeys };
  }
}

export interface TlsContextsDraft {
  /** Throws with OpenSSL's reason. */
  get(record: TlsContextRecord): TlsContext;
  /** These are the contexts now; those that the plan lacks are closed. */
  commit(): void;
  /** The plan is not put in force. */
  discard(): void;
}
