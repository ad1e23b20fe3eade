/** NativeAcceptor: main's listening sockets over the addon, and the hand-off of accepted descriptors. */
import type { Addon, AddonAcceptor } from './addon.js';
import { addressFrom, familyNumber, listenError } from './addresses.js';
import type { Address, ListenOptions } from './transport.js';

/** A socket that listens and that a worker is to accept from. */
export interface SharedListening {
  readonly descriptor: number;
  readonly address: Address;
  close(): void;
}

export interface MainListening {
  readonly address: Address;
  close(): void;
}

export class NativeAcceptor {
  readonly #addon: Addon;
  readonly #acceptor: AddonAcceptor;

  constructor(addon: Addon) {
    this.#addon = addon;
    this.#acceptor = new addon.Acceptor();
  }

  /** Throws an Error with `code` when the address can't be had. */
  listen(options: ListenOptions, onAccepted: (descriptor: number) => void): MainListening {
    const { address, backlog, reusePort } = options;
    const descriptor = this.#acceptor.listen(
      familyNumber(address),
      address.host,
      address.port,
      backlog,
      reusePort,
      onAccepted,
    );
    if (descriptor < 0) throw listenError(address, descriptor);
    return {
      address: addressFrom(this.#addon.addressOf(descriptor)) ?? address,
      close: () => this.#acceptor.close(descriptor),
    };
  }

  /** Nobody accepts until a worker shares it; it outlives that worker. Throws as listen() does. */
  openShared(address: Address, backlog: number): SharedListening {
    const descriptor = this.#addon.openListener(familyNumber(address), address.host, address.port, backlog);
    if (descriptor < 0) throw listenError(address, descriptor);
    return {
      descriptor,
      address: addressFrom(this.#addon.addressOf(descriptor)) ?? address,
      close: () => this.#addon.closeDescriptor(descriptor),
    };
  }

  /** False when that worker is not there (it has just died): the descriptor is still the caller's. */
  handOff(workerId: number, descriptor: number, listenerIndex: number): boolean {
    return this.#addon.handOff(workerId, descriptor, listenerIndex);
  }
}
