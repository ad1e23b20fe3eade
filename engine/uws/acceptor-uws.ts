/** UwsAcceptor: main's listening sockets of uWebSockets.js; accepted sockets go to the workers' apps in turn. */
import { addressText } from '../io/addresses.js';
import type { Address } from '../io/transport.js';
import type { Uws } from './load-uws.js';

export interface UwsListening {
  readonly address: Address;
  close(): void;
}

export class UwsAcceptor {
  readonly #uws: Uws;
  /** By listener: descriptors of the workers' apps. */
  readonly #children = new Map<number, number[]>();

  constructor(uws: Uws) {
    this.#uws = uws;
  }

  /** A worker's app for a listener; said before the plan with that listener is in force there. */
  addChild(listener: number, descriptor: number): void {
    const children = this.#children.get(listener) ?? [];
    this.#children.set(listener, [...children, descriptor]);
  }

  /** Throws when the address can't be had. Every worker must have its app: an accepted socket goes to one at once. */
  listen(listener: number, address: Address): UwsListening {
    const app = this.#uws.App();
    for (const child of this.#children.get(listener) ?? []) app.addChildAppDescriptor(child);
    let port = -1;
    app.listen(address.host, address.port, this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (socket) port = this.#uws.us_socket_local_port(socket);
    });
    if (port < 0) throw Object.assign(new Error(`listen EADDRINUSE ${addressText(address)}`), { code: 'EADDRINUSE' });
    const close = (): void => {
      app.close();
      this.#children.delete(listener);
    };
    return { address: { ...address, port }, close };
  }
}
