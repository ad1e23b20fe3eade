/** UwsIngress: the apps of uWebSockets.js that one worker serves its listeners with. */
import type { Listening } from '../io/transport.js';
import type { Core } from '../proxy/core.js';
import { UwsListener } from './listener.js';
import type { Uws } from './load-uws.js';

/** As Downstream: an idle connection may have a request on its way. */
const IDLE_GRACE_MS = 1000;
const LOOK_MS = 100;

export class UwsIngress {
  readonly #uws: Uws;
  readonly #core: Core;
  readonly #listeners = new Set<UwsListener>();
  #look: NodeJS.Timeout | null = null;

  constructor(uws: Uws, core: Core) {
    this.#uws = uws;
    this.#core = core;
  }

  /** For a listener of the snapshot in force; descriptor: for main's acceptor. */
  listen(index: number): { readonly listening: Listening; readonly descriptor: number } {
    const runtime = this.#core.snapshot.listeners.get(index)?.direct?.http;
    if (runtime === undefined || runtime === null)
      throw new Error(`listener ${index} is not in the plan, or has more than HTTP without TLS`);
    const listener = new UwsListener(this.#uws.App(), this.#core, runtime);
    this.#listeners.add(listener);
    const listening = {
      address: runtime.listener.address,
      whenOpen: (callback: (problem: Error | null) => void): void => callback(null),
      close: (): void => this.#drain(listener),
    };
    return { listening, descriptor: listener.descriptor };
  }

  activeConnections(): number {
    let active = 0;
    for (const listener of this.#listeners) active += listener.connections;
    return active;
  }

  /** Main has closed the listening socket, or is about to. */
  #drain(listener: UwsListener): void {
    listener.drain();
    if (this.#look === null) this.#look = setInterval(() => this.#closeDrained(), LOOK_MS);
  }

  #closeDrained(): void {
    const quietSinceMs = this.#core.transport.nowMs() - IDLE_GRACE_MS;
    for (const listener of this.#listeners)
      if (listener.isQuietSince(quietSinceMs)) {
        listener.close();
        this.#listeners.delete(listener);
      }
    if (this.#listeners.size === 0) this.#stopLooking();
  }

  #stopLooking(): void {
    if (this.#look !== null) clearInterval(this.#look);
    this.#look = null;
  }

  /** Connections are cut. Without it the end of the thread would be the end of the process. */
  close(): void {
    this.#stopLooking();
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
  }
}
