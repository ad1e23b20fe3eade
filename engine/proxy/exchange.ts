/** THE SPINE: one request and its answer, from head to finish, in the order in which it happens. */
import { DNS_FAILED, type FaultCode, FAULTS, NO_CLUSTER, NO_ENDPOINT, NO_ROUTE, UP_CLOSED } from '../fault/faults.js';
import { midway } from '../fault/midway.js';
import { DONE, type Verdict } from '../filter/filter.js';
import type { Filtered } from '../filter/filter-run.js';
import { type Direction, REQUEST, RESPONSE } from '../filter/way.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import { HEAD_UPGRADE, type Head } from '../http/head.js';
import { isIdempotent, METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import { HOLD_CONNECTING, HOLD_FILTER, HOLD_PEER_FULL, HOLD_TUNNEL } from '../io/transport.js';
import type { Cluster, StreamWaiter } from '../upstream/cluster.js';
import type { Pool } from '../upstream/pool.js';
import type { UpstreamConn } from '../upstream/upstream-conn.js';
import type { Client } from './client.js';
import type { Core } from './core.js';
import { armTimer, dueFault, routeDeadlines, startDeadlines } from './deadline.js';
import { ExchangeRecord, HALF_CLOSE_GRACE_MS } from './exchange-record.js';
import {
  ACQUIRING,
  BODY_KEPT,
  CLIENT_ENDED,
  DOWNSTREAM_FULL,
  FINISHED,
  LOCAL_REPLY,
  REQUEST_ENDED,
  REQUEST_HEAD,
  REQUEST_RELAYED,
  REQUEST_SENT,
  RESPONSE_ENDED,
  RESPONSE_HEAD,
  TRAILERS_SENT,
  TUNNEL,
  UPSTREAM_COUNTED,
  UPSTREAM_ENDED,
  UPSTREAM_FULL,
  UPSTREAM_HEAD,
} from './exchange-state.js';
import { REDIRECT_TO_PATH } from '../http/normalize.js';
import { faultBody, fillReply, grpcEnd, meetExpectation, redirectToPath } from './local-reply.js';
import { relayData, UpstreamSide } from './relay.js';
import { Replay } from './replay.js';
import { poolOf, prepareRequest, prepareUpstreamRequest } from './request-fields.js';
import { canRetry, goesAgain } from './retry.js';
import { giveResponse, prepareReply, prepareResponse, readLoadReport } from './response-fields.js';
import type { ListenerRuntime } from './snapshot.js';
import { asksForTunnel, translateSwitch, translateUpgrade } from './upgrade.js';
import { beginTunnel, countFinish, countStart } from './statistics.js';

// The life of a request; a method each, in this order (test/tidy checks it, ARCHITECTURE.md repeats it):
//   onHead            the downstream codec has a request head; framing was checked by the codec
//     1 admit         counters, deadlines
//     2 route         normalise, who is the client, request id, first matching route
//     3 filterRequest hooks in order: NEXT | WAIT | DONE
//     4 pick          cluster and endpoint
//     5 acquire       a stream on a pooled or a new connection; may wait
//     6 sendHead      hop-by-hop is the codec's, everything else is done here; bodies relay from here on
//   onUpstreamHead    7: 1xx pass on; the final head goes down after the response hooks
//   onUpstreamData    8: relay
//   finish            9: once, always: counters, log, release
//   fail              one function: the fault table decides on retry, local reply or reset

export class Exchange extends ExchangeRecord implements MessageSink, StreamWaiter, Filtered {
  #down: MessageStream | null = null;
  #up: MessageStream | null = null;
  readonly #upstreamSide: UpstreamSide;
  /** Made for the first request that needs one, and kept. */
  #replay: Replay | null = null;

  constructor(core: Core) {
    super(core);
    this.#upstreamSide = new UpstreamSide(this);
  }

  begin(downstream: Client, stream: MessageStream, listener: ListenerRuntime): void {
    this.downstream = downstream;
    this.listener = listener;
    this.#down = stream;
    this.startUs = this.core.transport.nowUs();
    this.startWallMs = this.core.transport.wallMs();
  }

  // ---- request, in order -------------------------------------------------------------------------

  onHead(head: Head, end: boolean): Head {
    const spare = this.request;
    this.request = head;
    this.state |= REQUEST_HEAD;
    this.#admit();
    // In HTTP/2 a tunnel's bytes may follow at once; they are nobody's before the answer agrees to the tunnel.
    const isTunnel = !end && asksForTunnel(head);
    if (isTunnel) this.#down?.hold(HOLD_TUNNEL);
    if (end || isTunnel) {
      this.#endRequest();
      this.state |= REQUEST_RELAYED;
    }
    this.#route();
    return spare;
  }

  #admit(): void {
    // No head was fit to be passed on: the one here is of an earlier request, maybe somebody else's, and the log asks.
    if (!this.is(REQUEST_HEAD)) this.request.reset();
    const listener = this.listener as ListenerRuntime;
    countStart(this);
    this.filters = listener.filters.take();
    if (this.filters !== null) this.filters.begin(this);
    startDeadlines(this, listener.record);
  }

  #route(): void {
    const listener = this.listener as ListenerRuntime;
    const refused = prepareRequest(this, listener);
    if (refused !== 0) {
      if (refused === REDIRECT_TO_PATH) redirectToPath(this);
      else this.fail(refused);
      return;
    }
    const route = listener.router.route(this);
    this.route = route;
    if (route !== null) {
      routeDeadlines(this, route.record.action);
      this.choice = route.chooseCluster(this, this.core.random);
    }
    armTimer(this);
    // Also without a route: what answers then stands behind the filters, as Envoy's router does.
    this.#filterRequest();
  }

  #filterRequest(): void {
    if (this.filters === null) this.pick();
    else this.filters.requestHead(this.is(REQUEST_ENDED));
  }

  pick(): void {
    // A filter that let the request go on after all: it has been answered.
    if (this.is(LOCAL_REPLY)) return;
    const listener = this.listener as ListenerRuntime;
    const route = this.route;
    if (route === null) {
      this.fail(NO_ROUTE);
      return;
    }
    if (this.cluster === null) {
      const action = route.record.action;
      if (action.kind !== 'forward') {
        listener.answer(this);
        return;
      }
      const refused = listener.refuseUpgrade(this);
      if (refused !== 0) {
        this.fail(refused);
        return;
      }
      this.cluster = listener.chosenCluster(this);
      if (this.cluster === null) {
        this.reply(action.clusterNotFoundStatus, faultBody(NO_CLUSTER), NO_CLUSTER);
        return;
      }
    }
    const cluster = this.cluster as NonNullable<typeof this.cluster>;
    const index = this.pickEndpoint(cluster);
    if (index < 0) {
      this.fail(cluster.record.dnsFailed ? DNS_FAILED : NO_ENDPOINT);
      return;
    }
    this.endpointIndex = index;
    this.pool = poolOf(this, cluster, index);
    this.#acquire(cluster, this.pool);
  }

  #acquire(cluster: Cluster, pool: Pool): void {
    const isHigh = this.isHighPriority();
    this.attemptCount++;
    if (!cluster.requestStarted(pool, isHigh)) {
      this.fail(cluster.lastFault);
      return;
    }
    this.state |= UPSTREAM_COUNTED;
    this.activeAtStart = cluster.lastActive;
    // A retry of the keep-alive race goes on a new connection: the other idle ones are as old as the dead one.
    const stream = cluster.acquire(pool, this.#upstreamSide, this, isHigh, this.attemptCount > 1);
    if (stream !== null) {
      this.onStreamReady(stream);
      return;
    }
    if (cluster.lastFault !== 0) {
      this.fail(cluster.lastFault);
      return;
    }
    this.state |= ACQUIRING;
    this.request.retain();
    // Nothing of the body is read while there is nowhere to put it.
    if (!this.is(REQUEST_ENDED)) this.#down?.hold(HOLD_CONNECTING);
  }

  onStreamReady(stream: MessageStream): void {
    this.state &= ~ACQUIRING;
    this.#up = stream;
    this.upstreamStartUs = this.core.transport.nowUs();
    this.noteConnection(this.pool?.lastConn as UpstreamConn);
    this.#sendHead(stream);
  }

  onStreamFault(fault: FaultCode): void {
    this.state &= ~ACQUIRING;
    // It was connected to, and closed before it took requests: a server on its way out, which another may follow.
    if (fault === UP_CLOSED && canRetry(this, this.#replay)) this.#retry(fault, false);
    else this.fail(fault);
  }

  #sendHead(stream: MessageStream): void {
    prepareUpstreamRequest(this);
    if ((this.request.flags & HEAD_UPGRADE) !== 0) translateUpgrade(this);
    this.state |= REQUEST_SENT;
    const isAgain = this.bytesRelayed > 0 || this.is(TRAILERS_SENT);
    let isFull = stream.sendHead(this.request, this.is(REQUEST_RELAYED) && !isAgain);
    // Kept for a retry when the connection turns out to be dead, and for the log.
    this.request.retain();
    if (isAgain) isFull = (this.#replay as Replay).send(stream, this.is(REQUEST_RELAYED));
    if (this.is(REQUEST_RELAYED)) {
      this.upstreamRequestEndUs = this.core.transport.nowUs();
      return;
    }
    // The connection may turn out to be dead, or HTTP/2 refuse the stream: what is passed on is kept until it is answered.
    if (!isAgain && (this.upstreamIsHttp2 || (stream.isReused && isIdempotent(this.request.method)))) {
      if (this.#replay === null) this.#replay = new Replay();
      this.#replay.begin(this.request.contentLength);
      this.state |= BODY_KEPT;
    }
    if (isFull) {
      this.state |= UPSTREAM_FULL;
      this.#down?.hold(HOLD_PEER_FULL);
    } else this.onUpstreamDrained();
    this.#down?.release(HOLD_CONNECTING);
    if (this.filters !== null) this.filters.requestReady();
  }

  /** What was passed on has left: the client may send as much again. */
  onUpstreamDrained(): void {
    const down = this.#down;
    if (this.uncreditedRequest > 0) down?.consumed(this.uncreditedRequest);
    this.uncreditedRequest = 0;
    this.state &= ~UPSTREAM_FULL;
    down?.release(HOLD_PEER_FULL);
  }

  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.bytesReceived += end - start;
    this.touch();
    if (last) this.#endRequest();
    if (this.filters === null) {
      this.relayRequest(bytes, start, end, last);
      this.credit(REQUEST, end - start);
    } else this.filters.requestData(bytes, start, end, last);
  }

  relayRequest(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const up = this.#up;
    this.bytesRelayed += end - start;
    if (last) this.state |= REQUEST_RELAYED;
    if (this.is(BODY_KEPT)) (this.#replay as Replay).keep(bytes, start, end);
    // No upstream any more: we have answered, and what is left of the body is dropped.
    if (up === null || this.#down === null) return;
    if (relayData(this.#down, up, bytes, start, end, last)) this.state |= UPSTREAM_FULL;
    if (last) {
      this.upstreamRequestEndUs = this.core.transport.nowUs();
      this.#finishTunnel();
    }
  }

  onTrailers(trailers: Head): void {
    this.#endRequest();
    if (this.filters === null) this.relayRequestTrailers(trailers);
    else this.filters.requestTrailers(trailers);
  }

  relayRequestTrailers(trailers: Head): void {
    this.upstreamRequestEndUs = this.core.transport.nowUs();
    this.state |= TRAILERS_SENT | REQUEST_RELAYED;
    if (this.is(BODY_KEPT)) (this.#replay as Replay).trailers = this.keepTrailers(trailers);
    this.#up?.sendTrailers(trailers);
  }

  /** The client is gone, or the connection failed: whatever the upstream still does is in vain. */
  onReset(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    if (!this.is(REQUEST_HEAD)) this.#admit();
    this.note(fault);
    this.#down = null;
    this.#abandon(fault);
  }

  onInvalid(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    if (!this.is(REQUEST_HEAD)) this.#admit();
    this.#endRequest();
    if (this.is(RESPONSE_HEAD)) {
      this.note(fault);
      this.#abandon(fault);
    } else this.fail(fault);
  }

  /** The client ended its side after a whole request. */
  onClientEnd(): void {
    if (this.is(FINISHED | CLIENT_ENDED | TUNNEL)) return;
    this.state |= CLIENT_ENDED;
    this.goneDeadlineMs = this.core.transport.nowMs() + HALF_CLOSE_GRACE_MS;
    armTimer(this);
  }

  /** The client's connection has room again. */
  onDrained(): void {
    this.touch();
    const up = this.#up;
    if (this.uncreditedResponse > 0) up?.consumed(this.uncreditedResponse);
    this.uncreditedResponse = 0;
    this.state &= ~DOWNSTREAM_FULL;
    if (this.goneDeadlineMs !== 0) armTimer(this);
    up?.release(HOLD_PEER_FULL);
  }

  // ---- response, in order ------------------------------------------------------------------------

  onUpstreamHead(head: Head, end: boolean): Head {
    const down = this.#down;
    this.touch();
    if (down === null || this.is(LOCAL_REPLY | FINISHED)) return head;
    if (head.status < 200 && head.status !== 101) {
      down.sendHead(head, false);
      return head;
    }
    if ((this.request.flags & HEAD_UPGRADE) !== 0 && head.status < 300) {
      const fault = translateSwitch(this, head);
      if (fault !== 0) {
        this.fail(fault);
        return head;
      }
    }
    this.response = head;
    this.upstreamHeadUs = this.core.transport.nowUs();
    this.responseStartUs = this.upstreamHeadUs;
    this.responseCodeDetails = 'via_upstream';
    this.state |= UPSTREAM_HEAD;
    if (head.status === 101 || (head.status < 300 && this.request.method === METHOD_CONNECT)) this.#beginTunnel();
    readLoadReport(this, head);
    if (end) {
      this.state |= UPSTREAM_ENDED;
      this.endUpstream(0);
    }
    if (this.filters === null) this.sendResponse(end);
    else this.filters.responseHead(end);
    return this.core.heads.take();
  }

  sendResponse(end: boolean): void {
    if (this.is(FINISHED)) return;
    this.state |= RESPONSE_HEAD;
    if (this.is(LOCAL_REPLY)) prepareReply(this);
    else prepareResponse(this);
    if (this.#down?.sendHead(this.response, end) === true) this.#up?.hold(HOLD_PEER_FULL);
    if ((this.listener as ListenerRuntime).logsResponse) this.response.retain();
    if (end) this.#endResponse();
  }

  onUpstreamData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.#down === null || this.#up === null || this.is(LOCAL_REPLY | FINISHED)) return;
    this.touch();
    if (last) this.state |= UPSTREAM_ENDED;
    if (last && !this.is(TUNNEL)) this.endUpstream(0);
    if (this.filters === null) {
      this.relayResponse(bytes, start, end, last);
      this.credit(RESPONSE, end - start);
    } else this.filters.responseData(bytes, start, end, last);
  }

  relayResponse(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.is(FINISHED)) return;
    this.bytesSent += end - start;
    if (this.#down !== null && relayData(this.#up, this.#down, bytes, start, end, last)) this.state |= DOWNSTREAM_FULL;
    if (last) this.#endResponse();
  }

  onUpstreamTrailers(trailers: Head): void {
    if (this.#down === null || this.is(LOCAL_REPLY | FINISHED)) return;
    this.touch();
    readLoadReport(this, trailers);
    // As they came: a filter may make something else of them, and the log asks how the call ended.
    if ((this.listener as ListenerRuntime).logsResponse) this.responseTrailers ??= this.keepTrailers(trailers);
    this.state |= UPSTREAM_ENDED;
    this.endUpstream(0);
    if (this.filters === null) this.relayResponseTrailers(trailers);
    else this.filters.responseTrailers(trailers);
  }

  relayResponseTrailers(trailers: Head): void {
    if (this.is(FINISHED)) return;
    this.#down?.sendTrailers(trailers);
    this.#endResponse();
  }

  onUpstreamReset(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    const wasReused = this.#up?.isReused === true && this.#up.sawResponseBytes === false;
    this.#up = null;
    if (this.is(LOCAL_REPLY)) return;
    if (goesAgain(this, fault, wasReused, this.#replay)) this.#retry(fault, false);
    else this.fail(this.is(UPSTREAM_HEAD) ? midway(fault) : fault);
  }

  #endResponse(): void {
    this.state |= RESPONSE_ENDED;
    if (this.is(TUNNEL)) this.#finishTunnel();
    else this.finish();
  }

  // ---- the end ------------------------------------------------------------------------------------

  finish(): void {
    if (this.is(FINISHED)) return;
    this.state |= FINISHED;
    this.endUs = this.core.transport.nowUs();
    this.#dropUpstream(this.fault);
    this.core.wheel.disarm(this);
    const listener = this.listener as ListenerRuntime;
    if (this.is(REQUEST_HEAD) || this.fault !== 0) countFinish(this);
    listener.log(this);
    this.#down = null;
    (this.downstream as Client).onExchangeEnd();
    this.core.retire(this);
  }

  /** A fault of this exchange: retried, answered locally, or, when the response has begun, a reset. */
  fail(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    const row = FAULTS[fault] as (typeof FAULTS)[number];
    if (row.source === 'upstream') this.endUpstream(fault);
    // Refused or unreachable: nothing was processed, so another endpoint may try. With one endpoint there is no other.
    if (row.retry === 'fresh' && canRetry(this, this.#replay) && this.hasOther()) {
      this.#retry(fault, true);
      return;
    }
    this.note(fault);
    if (row.status === 0) this.#abandon(fault);
    else this.reply(row.status, faultBody(fault), fault);
  }

  /** After the turn: ready for another request. */
  recycle(): void {
    giveResponse(this);
    if (this.is(BODY_KEPT)) (this.#replay as Replay).end(this.core.heads);
    this.clear();
    this.#up = null;
    this.#down = null;
  }

  onTimer(nowMs: number): void {
    if (this.is(FINISHED)) return;
    const fault = dueFault(this, nowMs);
    if (fault === 0) armTimer(this);
    else this.fail(fault);
  }

  // ---- filters and our own answers -----------------------------------------------------------------

  holdSource(direction: Direction, isHeld: boolean): void {
    const source = direction === REQUEST ? this.#down : this.#up;
    if (isHeld) source?.hold(HOLD_FILTER);
    else source?.release(HOLD_FILTER);
  }

  askForBody(): void {
    meetExpectation(this, this.#down);
  }

  /** Bytes that went to who is full have not left us: as long as that is so, more of them must not come. */
  credit(direction: Direction, byteCount: number): void {
    if (direction === REQUEST) {
      if (this.is(UPSTREAM_FULL)) this.uncreditedRequest += byteCount;
      else this.#down?.consumed(byteCount);
    } else if (this.is(DOWNSTREAM_FULL)) this.uncreditedResponse += byteCount;
    else this.#up?.consumed(byteCount);
  }

  reply(status: number, body: Uint8Array, fault: FaultCode): Verdict {
    this.note(fault);
    const trailers = this.is(RESPONSE_HEAD) ? grpcEnd(this, status, body, fault) : null;
    if (!this.is(RESPONSE_HEAD)) this.sendReply(fillReply(this, status, body, fault));
    else if (trailers === null) this.#abandon(fault);
    else {
      this.#dropUpstream(fault);
      this.onUpstreamTrailers(trailers);
    }
    return DONE;
  }

  /** Sends `response` as filled by local-reply.ts, which the caller may have given more fields (redirects). */
  sendReply(body: Uint8Array): void {
    this.state |= LOCAL_REPLY;
    this.#dropUpstream(this.fault);
    this.responseStartUs = this.core.transport.nowUs();
    const status = this.response.status;
    // Without a head of this request, `request` still holds another one's; the codec knows what it could read.
    const isHead = this.is(REQUEST_HEAD) && this.request.method === METHOD_HEAD;
    const hasBody = body.length > 0 && !isHead && status !== 204 && status !== 304;
    if (this.filters !== null) {
      this.filters.reply(!hasBody);
      if (hasBody) this.filters.responseData(body, 0, body.length, true);
      return;
    }
    this.sendResponse(!hasBody);
    if (hasBody) this.relayResponse(body, 0, body.length, true);
  }

  /** Nothing can be said any more but that it went wrong. */
  #abandon(fault: FaultCode): void {
    this.#down?.reset(fault);
    this.#down = null;
    this.#dropUpstream(fault);
    this.finish();
  }

  // ---- small parts ----------------------------------------------------------------------------------

  #retry(fault: FaultCode, elsewhere: boolean): void {
    this.endUpstream(fault);
    if (elsewhere) this.leaveEndpoint();
    this.state &= ~REQUEST_SENT;
    this.cluster?.countRetry();
    this.pick();
  }

  #endRequest(): void {
    if (this.is(REQUEST_ENDED)) return;
    this.state |= REQUEST_ENDED;
    this.requestEndUs = this.core.transport.nowUs();
    this.requestDeadlineMs = 0;
    if (this.route !== null) armTimer(this);
  }

  #beginTunnel(): void {
    this.state = (this.state | TUNNEL) & ~(REQUEST_ENDED | REQUEST_RELAYED);
    beginTunnel(this);
    this.#down?.release(HOLD_TUNNEL);
  }

  #finishTunnel(): void {
    if (!this.is(TUNNEL) || !this.is(RESPONSE_ENDED) || !this.is(REQUEST_ENDED)) return;
    this.endUpstream(0);
    this.finish();
  }

  /** Lets go of an upstream stream or of the wait for one. */
  #dropUpstream(fault: FaultCode): void {
    const up = this.#up;
    this.#up = null;
    if (this.is(ACQUIRING)) {
      this.state &= ~ACQUIRING;
      this.pool?.cancel(this);
    }
    if (this.is(UPSTREAM_FULL)) this.onUpstreamDrained();
    const wasCounted = this.is(UPSTREAM_COUNTED);
    this.endUpstream(fault);
    if (up !== null && (wasCounted || !this.is(UPSTREAM_ENDED) || !this.is(REQUEST_RELAYED))) up.reset(fault);
  }
}
