/** THE SPINE: one request and its answer, from head to finish, in the order in which it happens. */
import {
  DNS_FAILED,
  type FaultCode,
  FAULTS,
  NO_CLUSTER,
  NO_ENDPOINT,
  NO_ROUTE,
  UP_STREAM_REFUSED,
  UP_TRUNCATED,
} from '../fault/faults.js';
import { DONE, NEXT, type Verdict } from '../filter/filter.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import { HEAD_UPGRADE, type Head } from '../http/head.js';
import { isIdempotent, METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import { HOLD_CONNECTING, HOLD_FILTER, HOLD_PEER_FULL, HOLD_TUNNEL } from '../io/transport.js';
import type { Cluster, StreamWaiter } from '../upstream/cluster.js';
import type { Pool } from '../upstream/pool.js';
import type { UpstreamConn } from '../upstream/upstream-conn.js';
import type { Client } from './client.js';
import type { Core } from './core.js';
import { dueFault, HALF_CLOSE_GRACE_MS, nextDeadlineMs, routeDeadlines, startDeadlines } from './deadline.js';
import {
  ACQUIRING,
  BODY_KEPT,
  CLIENT_ENDED,
  ExchangeRecord,
  FINISHED,
  LOCAL_REPLY,
  REQUEST_ENDED,
  REQUEST_HEAD,
  REQUEST_PREPARED,
  REQUEST_SENT,
  RESPONSE_ENDED,
  RESPONSE_HEAD,
  TRAILERS_SENT,
  TUNNEL,
  UPSTREAM_COUNTED,
} from './exchange-record.js';
import { REDIRECT_TO_PATH } from '../http/normalize.js';
import { faultBody, fillReply, redirectToPath } from './local-reply.js';
import { relayData, UpstreamSide } from './relay.js';
import { Replay } from './replay.js';
import { prepareRequest, prepareUpstreamRequest } from './request-fields.js';
import { prepareReply, prepareResponse, readLoadReport } from './response-fields.js';
import type { ListenerRuntime } from './snapshot.js';
import { asksForTunnel, translateSwitch, translateUpgrade } from './upgrade.js';
import { countFinish, countStart } from './statistics.js';

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

/** Retries of our own: the keep-alive race and refused connections. Each reused connection that died counts. */
const ATTEMPTS_MAX = 4;

export class Exchange extends ExchangeRecord implements MessageSink, StreamWaiter {
  #down: MessageStream | null = null;
  #up: MessageStream | null = null;
  readonly #upstreamSide: UpstreamSide;
  #filterAt = 0;
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
    if (!end && asksForTunnel(head)) {
      this.#down?.hold(HOLD_TUNNEL);
      this.#endRequest();
    }
    if (end) this.#endRequest();
    this.#route();
    return spare;
  }

  #admit(): void {
    const http = (this.listener as ListenerRuntime).record;
    countStart(this);
    startDeadlines(this, http);
  }

  #route(): void {
    const listener = this.listener as ListenerRuntime;
    const refused = prepareRequest(this, listener);
    if (refused !== 0) {
      if (refused === REDIRECT_TO_PATH) redirectToPath(this);
      else this.#refuse(refused);
      return;
    }
    const route = listener.router.route(this);
    this.route = route;
    if (route === null) {
      this.fail(NO_ROUTE);
      return;
    }
    routeDeadlines(this, route.record.action);
    this.#armTimer();
    this.#filterAt = 0;
    this.#filterRequest();
  }

  #filterRequest(): void {
    const filters = (this.listener as ListenerRuntime).filters;
    while (this.#filterAt < filters.requestHooks) {
      const verdict = filters.runRequestHead(this.#filterAt++, this);
      if (verdict === DONE) return;
      if (verdict !== NEXT) {
        this.request.retain();
        this.#down?.hold(HOLD_FILTER);
        return;
      }
    }
    this.#pick();
  }

  #pick(): void {
    const listener = this.listener as ListenerRuntime;
    const route = this.route as NonNullable<typeof this.route>;
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
      this.cluster = listener.chooseCluster(this);
      if (this.cluster === null) {
        this.note(NO_CLUSTER);
        this.#replyLocal(action.clusterNotFoundStatus, faultBody(NO_CLUSTER));
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
    this.pool = cluster.pool(index, (this.downstream as Client).protocol);
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
    this.fail(fault);
  }

  #sendHead(stream: MessageStream): void {
    if (!this.is(REQUEST_PREPARED)) {
      this.state |= REQUEST_PREPARED;
      prepareUpstreamRequest(this);
    }
    if ((this.request.flags & HEAD_UPGRADE) !== 0) translateUpgrade(this);
    this.state |= REQUEST_SENT;
    const isAgain = this.bytesReceived > 0 || this.is(TRAILERS_SENT);
    let isFull = stream.sendHead(this.request, this.is(REQUEST_ENDED) && !isAgain);
    // Kept for a retry when the connection turns out to be dead, and for the log.
    this.request.retain();
    if (isAgain) isFull = (this.#replay as Replay).send(stream, this.is(REQUEST_ENDED));
    if (this.is(REQUEST_ENDED)) {
      this.upstreamRequestEndUs = this.core.transport.nowUs();
      return;
    }
    // The connection may turn out to be dead, or HTTP/2 refuse the stream: what is passed on is kept until it is answered.
    if (!isAgain && (this.upstreamIsHttp2 || (stream.isReused && isIdempotent(this.request.method)))) {
      if (this.#replay === null) this.#replay = new Replay();
      this.#replay.begin(this.request.contentLength);
      this.state |= BODY_KEPT;
    }
    if (isFull) this.#down?.hold(HOLD_PEER_FULL);
    else this.#creditRequest();
    this.#down?.release(HOLD_CONNECTING);
  }

  /** What was passed on has left: the client may send as much again. */
  #creditRequest(): void {
    const down = this.#down;
    if (this.uncreditedRequest > 0) down?.consumed(this.uncreditedRequest);
    this.uncreditedRequest = 0;
    down?.release(HOLD_PEER_FULL);
  }

  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.bytesReceived += end - start;
    this.touch();
    if (last) this.#endRequest();
    const up = this.#up;
    const down = this.#down;
    if (this.is(BODY_KEPT)) (this.#replay as Replay).keep(bytes, start, end);
    if (down === null) return;
    // No upstream any more: we have answered, and what is left of the body is dropped.
    if (up === null) {
      down.consumed(end - start);
      return;
    }
    this.uncreditedRequest += relayData(down, up, bytes, start, end, last);
    if (last) {
      this.upstreamRequestEndUs = this.core.transport.nowUs();
      this.#finishTunnel();
    }
  }

  onTrailers(trailers: Head): void {
    this.#endRequest();
    this.upstreamRequestEndUs = this.core.transport.nowUs();
    this.state |= TRAILERS_SENT;
    if (this.is(BODY_KEPT)) (this.#replay as Replay).trailers = this.copyOf(trailers);
    this.#up?.sendTrailers(trailers);
  }

  /** The client is gone, or the connection failed: whatever the upstream still does is in vain. */
  onReset(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    this.note(fault);
    this.#down = null;
    this.#dropUpstream(fault);
    this.finish();
  }

  onInvalid(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    if (!this.is(REQUEST_HEAD)) this.#admit();
    this.#endRequest();
    if (this.is(RESPONSE_HEAD)) {
      this.note(fault);
      this.#down?.reset(fault);
      this.#down = null;
      this.#dropUpstream(fault);
      this.finish();
      return;
    }
    this.#refuse(fault);
  }

  /** The client ended its side after a whole request. */
  onClientEnd(): void {
    if (this.is(FINISHED | CLIENT_ENDED)) return;
    this.state |= CLIENT_ENDED;
    if (this.is(RESPONSE_HEAD)) return;
    this.goneDeadlineMs = this.core.transport.nowMs() + HALF_CLOSE_GRACE_MS;
    this.#armTimer();
  }

  /** The client's connection has room again. */
  onDrained(): void {
    this.touch();
    const up = this.#up;
    if (this.uncreditedResponse > 0) up?.consumed(this.uncreditedResponse);
    this.uncreditedResponse = 0;
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
    this.goneDeadlineMs = 0;
    this.responseCodeDetails = 'via_upstream';
    this.state |= RESPONSE_HEAD;
    if (head.status === 101 || (head.status < 300 && this.request.method === METHOD_CONNECT)) this.#beginTunnel();
    prepareResponse(this);
    if (end) this.endUpstream(0);
    if (down.sendHead(head, end)) this.#up?.hold(HOLD_PEER_FULL);
    if ((this.listener as ListenerRuntime).logsResponse) head.retain();
    if (end) this.#endResponse();
    return this.core.heads.take();
  }

  onUpstreamData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const down = this.#down;
    const up = this.#up;
    if (down === null || up === null || this.is(LOCAL_REPLY | FINISHED)) return;
    this.touch();
    this.bytesSent += end - start;
    if (last && !this.is(TUNNEL)) this.endUpstream(0);
    this.uncreditedResponse += relayData(up, down, bytes, start, end, last);
    if (last) this.#endResponse();
  }

  onUpstreamTrailers(trailers: Head): void {
    const down = this.#down;
    if (down === null || this.is(LOCAL_REPLY | FINISHED)) return;
    this.touch();
    readLoadReport(this, trailers);
    this.endUpstream(0);
    down.sendTrailers(trailers);
    if ((this.listener as ListenerRuntime).logsResponse) this.responseTrailers = this.copyOf(trailers);
    this.#endResponse();
  }

  onUpstreamReset(fault: FaultCode): void {
    if (this.is(FINISHED)) return;
    const wasReused = this.#up?.isReused === true && this.#up.sawResponseBytes === false;
    this.#up = null;
    if (this.is(LOCAL_REPLY)) return;
    // HTTP/2 says for certain that a stream was not processed, so any request may go again, to the same endpoint too.
    if ((wasReused && this.#isRaceRetry(fault)) || (fault === UP_STREAM_REFUSED && this.#canRetry())) {
      this.endUpstream(fault);
      this.#retry(false);
      return;
    }
    this.fail(this.is(RESPONSE_HEAD) ? UP_TRUNCATED : fault);
  }

  onUpstreamDrained(): void {
    this.#creditRequest();
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
    if (row.retry === 'fresh' && this.#canRetry() && this.hasOther()) {
      this.#retry(true);
      return;
    }
    this.note(fault);
    this.#dropUpstream(fault);
    if (this.is(RESPONSE_HEAD) || row.status === 0) {
      this.#down?.reset(fault);
      this.#down = null;
      this.finish();
      return;
    }
    this.#replyLocal(row.status, faultBody(fault));
  }

  /** After the turn: ready for another request. */
  recycle(): void {
    if (this.response !== this.core.noResponse) this.core.heads.give(this.response);
    this.response = this.core.noResponse;
    if (this.responseTrailers !== null) this.core.heads.give(this.responseTrailers);
    if (this.is(BODY_KEPT)) (this.#replay as Replay).end(this.core.heads);
    this.clear();
    this.#up = null;
    this.#down = null;
    this.#filterAt = 0;
  }

  onTimer(nowMs: number): void {
    if (this.is(FINISHED)) return;
    const fault = dueFault(this, nowMs);
    if (fault === 0) this.#armTimer();
    else this.fail(fault);
  }

  // ---- filters and our own answers -----------------------------------------------------------------

  ticket(): number {
    return this.ticketNumber;
  }

  resume(ticket: number): void {
    if (ticket !== this.ticketNumber || this.is(FINISHED | LOCAL_REPLY)) return;
    this.ticketNumber++;
    this.#down?.release(HOLD_FILTER);
    this.#filterRequest();
  }

  reply(status: number, body: Uint8Array, fault: FaultCode): Verdict {
    this.note(fault);
    this.#replyLocal(status, body);
    return DONE;
  }

  /** Answers with a head that the caller may have given fields already (redirects): see snapshot.ts. */
  #replyLocal(status: number, body: Uint8Array): void {
    fillReply(this.ownResponse(), status, body.length, this.core.dateBytes());
    this.sendReply(body);
  }

  /** Sends `response` as filled by local-reply.ts. */
  sendReply(body: Uint8Array): void {
    const down = this.#down;
    this.state |= LOCAL_REPLY | RESPONSE_HEAD;
    this.#dropUpstream(this.fault);
    this.responseStartUs = this.core.transport.nowUs();
    prepareReply(this);
    if (down !== null) {
      const status = this.response.status;
      // Without a head of this request, `request` still holds another one's; the codec knows what it could read.
      const isHead = this.is(REQUEST_HEAD) && this.request.method === METHOD_HEAD;
      const hasBody = body.length > 0 && !isHead && status !== 204 && status !== 304;
      down.sendHead(this.response, !hasBody);
      if (hasBody) down.sendData(body, 0, body.length, true);
      if (hasBody) this.bytesSent += body.length;
    }
    this.#endResponse();
  }

  // ---- small parts ----------------------------------------------------------------------------------

  #refuse(fault: FaultCode): void {
    this.note(fault);
    this.#dropUpstream(fault);
    this.#replyLocal((FAULTS[fault] as (typeof FAULTS)[number]).status, faultBody(fault));
  }

  /** Keep-alive race: a reused connection died before any byte of an answer (RFC 9110 §9.2.2, RFC 9112 §9.3.1). */
  #isRaceRetry(fault: FaultCode): boolean {
    return (
      (FAULTS[fault] as (typeof FAULTS)[number]).retry === 'reused' &&
      isIdempotent(this.request.method) &&
      this.#canRetry()
    );
  }

  /** Nothing behind the head has been passed on, or all of it is still here: the same request can be sent again. */
  #canRetry(): boolean {
    if (this.attemptCount >= ATTEMPTS_MAX || this.is(RESPONSE_HEAD | LOCAL_REPLY)) return false;
    if (this.is(BODY_KEPT)) return (this.#replay as Replay).has(this.bytesReceived);
    return this.bytesReceived === 0 && !this.is(TRAILERS_SENT);
  }

  #retry(elsewhere: boolean): void {
    if (elsewhere) this.leaveEndpoint();
    this.state &= ~REQUEST_SENT;
    this.cluster?.countRetry();
    this.#pick();
  }

  #endRequest(): void {
    if (this.is(REQUEST_ENDED)) return;
    this.state |= REQUEST_ENDED;
    this.requestEndUs = this.core.transport.nowUs();
    this.requestDeadlineMs = 0;
    if (this.route !== null) this.#armTimer();
  }

  #armTimer(): void {
    const next = nextDeadlineMs(this);
    if (next !== 0) this.core.wheel.arm(this, next);
  }

  #beginTunnel(): void {
    this.state |= TUNNEL;
    this.state &= ~REQUEST_ENDED;
    this.routeDeadlineMs = 0;
    this.requestDeadlineMs = 0;
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
    const wasCounted = this.is(UPSTREAM_COUNTED);
    this.endUpstream(fault);
    if (up !== null && (wasCounted || !this.is(RESPONSE_ENDED) || !this.is(REQUEST_ENDED))) up.reset(fault);
  }
}
