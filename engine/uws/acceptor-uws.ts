/** UwsAcceptor: main's listening sockets of uWebSockets.js; accepted sockets go to the workers' apps in turn. */
import { addressText } from '../io/addresses.js';
import type { Address } from '../io/transport.js';
import type { Uws, UwsApplication } from './load-uws.js';

export interface UwsListening {
  readonly address: Address;
  close(): void;
}

interface Child {
  readonly worker: number;
  readonly listener: number;
  readonly descriptor: number;
}

export class UwsAcceptor {
  readonly #uws: Uws;
  /** The workers' apps. */
  #children: Child[] = [];
  /** By listener. */
  readonly #apps = new Map<number, UwsApplication>();

  constructor(uws: Uws) {
    this.#uws = uws;
  }

  /** A worker's app for a listener; said before the plan with that listener is in force there. */
  addChild(worker: number, listener: number, descriptor: number): void {
    this.#children.push({ worker, listener, descriptor });
    this.#apps.get(listener)?.addChildAppDescriptor(descriptor);
  }

  /** It is about to end: a socket given to an app without a thread would end the process. */
  removeWorker(worker: number): void {
    for (const child of this.#children)
      if (child.worker === worker) this.#apps.get(child.listener)?.removeChildAppDescriptor(child.descriptor);
    this.#children = this.#children.filter((child) => child.worker !== worker);
  }

  /** The listener has left, or never came into force. */
  forget(listener: number): void {
    this.#children = this.#children.filter((child) => child.listener !== listener);
  }

  /** Throws when the address can't be had. Every worker must have its app: an accepted socket goes to one at once. */
  listen(listener: number, address: Address): UwsListening {
    const app = this.#uws.App();
    for (const child of this.#children) if (child.listener === listener) app.addChildAppDescriptor(child.descriptor);
    let port = -1;
    app.listen(address.host, address.port, this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (socket) port = this.#uws.us_socket_local_port(socket);
    });
    if (port < 0) throw Object.assign(new Error(`listen EADDRINUSE ${addressText(address)}`), { code: 'EADDRINUSE' });
    this.#apps.set(listener, app);
    const close = (): void => {
      app.close();
      this.#apps.delete(listener);
    };
    return { address: { ...address, port }, close };
  }
}
