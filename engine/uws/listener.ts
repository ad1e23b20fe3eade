/** UwsListener: one listener's app of uWebSockets.js: its requests become exchanges. */
import { BAD_FIELD_VALUE, BAD_REQUEST_LINE, type FaultCode } from '../fault/faults.js';
import { withoutMapping } from '../http/forwarded.js';
import { METHOD_HEAD } from '../http/methods.js';
import { parseRequestHead } from '../http1/head-parser.js';
import type { Address } from '../io/transport.js';
import { HTTP, LISTENER, WORKER } from '../metrics/declare.js';
import type { Core } from '../proxy/core.js';
import type { ListenerRuntime } from '../proxy/snapshot.js';
import type { UwsApplication, UwsRequest, UwsResponse } from './load-uws.js';
import { type StreamOwner, UwsStream } from './stream.js';

const CX_TOTAL = HTTP.index.downstream_cx_total;
const CX_ACTIVE = HTTP.index.downstream_cx_active;
const CX_HTTP1_TOTAL = HTTP.index.downstream_cx_http1_total;
const CX_HTTP1_ACTIVE = HTTP.index.downstream_cx_http1_active;
const CX_DESTROY = HTTP.index.downstream_cx_destroy;
const CX_DRAIN_CLOSE = HTTP.index.downstream_cx_drain_close;
const CX_MAX_REQUESTS = HTTP.index.downstream_cx_max_requests_reached;
const LISTENER_CX_TOTAL = LISTENER.index.downstream_cx_total;
const LISTENER_CX_ACTIVE = LISTENER.index.downstream_cx_active;
const LISTENER_CX_DESTROY = LISTENER.index.downstream_cx_destroy;
const WORKER_CX_TOTAL = WORKER.index.downstream_cx_total;
const WORKER_CX_ACTIVE = WORKER.index.downstream_cx_active;

/** uWebSockets.js decodes UTF-8; what wasn't any is lost in the decoding. */
const UNDECODABLE = '\ufffd';

export class UwsListener implements StreamOwner {
  readonly descriptor: number;
  connections = 0;
  readonly #app: UwsApplication;
  readonly #core: Core;
  readonly #runtime: ListenerRuntime;
  readonly #arena: Buffer;
  readonly #spare: UwsStream[] = [];
  #streams = 0;
  #nextId = 1;
  #lastEndMs = 0;
  #isDraining = false;
  #isTurnEndPlanned = false;
  #text = '';
  readonly #takeField = (name: string, value: string): void => {
    this.#text += `${name}: ${value}\r\n`;
  };
  readonly #endTurn = (): void => {
    this.#isTurnEndPlanned = false;
    this.#core.transport.onTurnFlushed();
  };

  constructor(app: UwsApplication, core: Core, runtime: ListenerRuntime) {
    this.#app = app;
    this.#core = core;
    this.#runtime = runtime;
    this.#arena = Buffer.from(core.transport.arena.bytes.buffer);
    app.filter((_response, count) => this.#countConnection(count));
    app.any('/*', (response, request) => this.#onRequest(response, request));
    this.descriptor = app.getDescriptor();
  }

  isClosing(): boolean {
    const { counters } = this.#runtime.record.metrics;
    const isDraining = this.#isDraining || this.#core.isDraining;
    if (isDraining) this.#core.metrics.add(counters + CX_DRAIN_CLOSE, 1);
    // The one limit of requests that can be kept: uWebSockets.js doesn't show which connection a request came on.
    const isOnly = this.#core.listenerRuntime(this.#runtime).record.maxRequestsPerConnection === 1;
    if (isOnly) this.#core.metrics.add(counters + CX_MAX_REQUESTS, 1);
    return isDraining || isOnly;
  }

  drain(): void {
    this.#isDraining = true;
    this.#lastEndMs = this.#core.transport.nowMs();
  }

  /** Is it drained: without a connection, or with idle ones that were left alone for long enough? */
  isQuietSince(timeMs: number): boolean {
    return this.#isDraining && this.#streams === 0 && this.#lastEndMs <= timeMs;
  }

  close(): void {
    this.#app.close();
  }

  // ---- requests ------------------------------------------------------------------------------------------

  #onRequest(response: UwsResponse, request: UwsRequest): void {
    const core = this.#core;
    const runtime = core.listenerRuntime(this.#runtime);
    const stream = this.#spare.pop() ?? new UwsStream(this, core.transport.arena);
    this.#streams++;
    stream.begin(response);
    stream.conn.id = this.#nextId++;
    stream.conn.remoteAddress = addressOf(response.getRemoteAddressAsText());
    stream.conn.localAddress = runtime.listener.address;
    stream.peerAddress = withoutMapping(stream.conn.remoteAddress);
    stream.peerHost = runtime.forwarding.hostOf(stream.peerAddress, false);
    const fault = this.#readHead(request, runtime);
    const exchange = core.takeExchange();
    exchange.begin(stream, stream, runtime);
    const head = core.http1.requestHead;
    if (fault === 0) core.http1.requestHead = stream.deliverHead(exchange, head);
    else stream.refuse(exchange, head.method === METHOD_HEAD, fault);
    this.onTurn();
  }

  /** uWebSockets.js is lenient: what it has read is written down again, and read as strictly as any other head. */
  #readHead(request: UwsRequest, runtime: ListenerRuntime): FaultCode {
    const query = request.getQuery();
    const target = query === undefined ? request.getUrl() : `${request.getUrl()}?${query}`;
    this.#text = `${request.getCaseSensitiveMethod()} ${target} HTTP/1.1\r\n`;
    request.forEach(this.#takeField);
    const text = `${this.#text}\r\n`;
    const { http1, transport } = this.#core;
    const length = Buffer.byteLength(text);
    const start = transport.arena.reserve(length);
    this.#arena.write(text, start, length, 'utf8');
    transport.arena.commit(start + length);
    const bytes = transport.arena.bytes;
    const after = parseRequestHead(bytes, start, start + length, http1.requestHead, runtime.http1);
    if (text.includes(UNDECODABLE)) return BAD_FIELD_VALUE;
    return after > 0 ? 0 : after === 0 ? BAD_REQUEST_LINE : -after;
  }

  // ---- StreamOwner ---------------------------------------------------------------------------------------

  onStreamEnd(stream: UwsStream): void {
    this.#streams--;
    this.#lastEndMs = this.#core.transport.nowMs();
    this.#spare.push(stream);
  }

  /** Exchanges that ended without a word to an upstream have no turn of the transport's to be recycled after. */
  onTurn(): void {
    if (this.#isTurnEndPlanned) return;
    this.#isTurnEndPlanned = true;
    queueMicrotask(this.#endTurn);
  }

  // ---- counters ------------------------------------------------------------------------------------------

  /** count: 1 or -1. */
  #countConnection(count: number): void {
    this.connections += count;
    const { metrics, workerBase } = this.#core;
    const http = this.#runtime.record.metrics.counters;
    const listener = this.#runtime.listener.metrics.counters;
    metrics.add(http + CX_ACTIVE, count);
    metrics.add(http + CX_HTTP1_ACTIVE, count);
    metrics.add(listener + LISTENER_CX_ACTIVE, count);
    metrics.add(workerBase + WORKER_CX_ACTIVE, count);
    if (count > 0) {
      metrics.add(http + CX_TOTAL, 1);
      metrics.add(http + CX_HTTP1_TOTAL, 1);
      metrics.add(listener + LISTENER_CX_TOTAL, 1);
      metrics.add(workerBase + WORKER_CX_TOTAL, 1);
    } else {
      metrics.add(http + CX_DESTROY, 1);
      metrics.add(listener + LISTENER_CX_DESTROY, 1);
    }
  }
}

/** uWebSockets.js shows no port. */
function addressOf(text: ArrayBuffer): Address {
  const host = Buffer.from(text).toString('latin1');
  return { family: host.includes(':') ? 6 : 4, host, port: 0 };
}
