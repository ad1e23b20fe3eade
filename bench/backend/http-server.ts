/** HttpServer: one backend's listening: uWebSockets.js where it loads, else node:http. */
import { createServer } from 'node:http';
import type { Behaviour } from './behaviour.js';

export interface HttpServer {
  listen(port: number): Promise<void>;
  /** Connections are cut. */
  close(): Promise<void>;
}

/** The part of uWebSockets.js that is used. */
interface UwsResponse {
  onAborted(call: () => void): void;
  cork(call: () => void): void;
  writeStatus(status: string): void;
  writeHeader(name: string, value: string): void;
  end(body: string): void;
}
interface UwsApp {
  any(pattern: string, handler: (response: UwsResponse) => void): UwsApp;
  listen(host: string, port: number, call: (socket: unknown) => void): UwsApp;
  close(): void;
}
interface Uws {
  App(): UwsApp;
}

export type Listening = { readonly kind: 'uws'; readonly uws: Uws } | { readonly kind: 'node'; readonly why: string };

/** wanted "node": the fallback on purpose. */
export async function chooseListening(wanted: 'auto' | 'node'): Promise<Listening> {
  if (wanted === 'node') return { kind: 'node', why: 'asked for' };
  try {
    const name = 'uWebSockets.js';
    return { kind: 'uws', uws: (await import(name)) as Uws };
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;
    return { kind: 'node', why };
  }
}

/** index: what the answer calls its backend. */
export function httpServer(listening: Listening, behaviour: Behaviour, index: number): HttpServer {
  const body = 'x'.repeat(behaviour.settings.bodyBytes);
  return listening.kind === 'uws'
    ? new UwsServer(listening.uws, behaviour, index, body)
    : new NodeServer(behaviour, index, body);
}

class UwsServer implements HttpServer {
  readonly #uws: Uws;
  readonly #behaviour: Behaviour;
  readonly #index: string;
  readonly #body: string;
  #app: UwsApp | null = null;

  constructor(uws: Uws, behaviour: Behaviour, index: number, body: string) {
    this.#uws = uws;
    this.#behaviour = behaviour;
    this.#index = String(index);
    this.#body = body;
  }

  listen(port: number): Promise<void> {
    const app = this.#uws.App().any('/*', (response) => this.#onRequest(response));
    this.#app = app;
    return new Promise((resolve, reject) => {
      app.listen('127.0.0.1', port, (socket) => {
        if (socket) resolve();
        else reject(new Error(`port ${port} is in use`));
      });
    });
  }

  #onRequest(response: UwsResponse): void {
    let isAborted = false;
    response.onAborted(() => {
      isAborted = true;
    });
    this.#behaviour.arrive({
      answer: (status, serviceUs) => {
        if (isAborted) return;
        response.cork(() => {
          response.writeStatus(`${status} ${status === 200 ? 'OK' : 'Error'}`);
          response.writeHeader('x-backend', this.#index);
          response.writeHeader('x-backend-us', String(serviceUs));
          response.end(this.#body);
        });
      },
    });
  }

  close(): Promise<void> {
    this.#app?.close();
    this.#app = null;
    return Promise.resolve();
  }
}

class NodeServer implements HttpServer {
  readonly #behaviour: Behaviour;
  readonly #index: number;
  readonly #body: string;
  #server = createServer();

  constructor(behaviour: Behaviour, index: number, body: string) {
    this.#behaviour = behaviour;
    this.#index = index;
    this.#body = body;
  }

  listen(port: number): Promise<void> {
    const server = createServer((request, response) => {
      request.resume();
      this.#behaviour.arrive({
        answer: (status, serviceUs) => {
          response.writeHead(status, {
            'content-length': this.#body.length,
            'x-backend': this.#index,
            'x-backend-us': serviceUs,
          });
          response.end(this.#body);
        },
      });
    });
    server.keepAliveTimeout = 60_000;
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  }

  close(): Promise<void> {
    const server = this.#server;
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}
