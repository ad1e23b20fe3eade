/** What is done to a request's path, authority and fields: once before routing, once before it goes upstream. */
import type { FaultCode } from '../fault/faults.js';
import { addressText } from '../format/address-text.js';
import { HEAD_HTTPS, type Head } from '../http/head.js';
import { N } from '../http/names.js';
import type { ClientCertDetails } from '../tls/client-cert-details.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import { addDecimal } from './local-reply.js';
import type { Client } from './client.js';
import type { ExchangeRecord } from './exchange-record.js';
import { REQUEST_PREPARED } from './exchange-state.js';
import type { Cluster } from '../upstream/cluster.js';
import type { Pool } from '../upstream/pool.js';
import type { ListenerRuntime } from './snapshot.js';

const encoder = new TextEncoder();
// Read once: N has too many properties for the compiler to see through it.
const ATTEMPT_COUNT = N['x-envoy-attempt-count'];
const EXPECTED_TIMEOUT = N['x-envoy-expected-rq-timeout-ms'];
const VIA = N.via;
const CLIENT_CERT = N['x-forwarded-client-cert'];

/** Path and host normalised, the client identified, untrusted fields dropped, request id given. A fault refuses. */
export function prepareRequest(x: ExchangeRecord, listener: ListenerRuntime): FaultCode {
  const head = x.request;
  if (head.authorityEnd === head.authorityStart) {
    // Only HTTP/1.0 gets here without one; what we send is HTTP/1.1 and must have it: the default, or where it came in.
    const host = listener.defaultHost.length > 0 ? listener.defaultHost : encoder.encode(addressText(x.localAddress));
    head.setAuthority(host, 0, host.length);
  }
  const refused = listener.normalization.apply(head);
  if (refused !== 0) return refused;
  const result = x.core.forwarded;
  const downstream = x.downstream as Client;
  listener.forwarding.apply(head, downstream.peerHost, downstream.peerAddress, result);
  x.remoteAddress = result.address;
  x.isInternal = result.isInternal;
  x.scheme = result.scheme;
  x.isEdge = result.isEdge;
  markScheme(x, downstream.protocol, listener.record.schemeToOverwrite);
  listener.requestId.apply(head, result.isEdge);
  applyClientCert(head, listener.clientCert, downstream.tls);
  return 0;
}

/** What :scheme will say to an origin of HTTP/2: a client of HTTP/2 has said it itself, and is passed on (Envoy). */
function markScheme(x: ExchangeRecord, protocol: 1 | 2, overwrite: string): void {
  if (x.scheme === 'https' && (protocol === 1 || overwrite !== '')) x.request.flags |= HEAD_HTTPS;
  else if (overwrite !== '') x.request.flags &= ~HEAD_HTTPS;
}

/** What was said of a client's certificate by whoever is not trusted to say it goes; what we know of it comes. */
function applyClientCert(head: Head, details: ClientCertDetails, tls: TlsFacts | null): void {
  const slot = head.find(CLIENT_CERT);
  // Most requests: nothing there, nothing to say.
  if (slot < 0 && tls === null) return;
  const treatment = details.treatmentOf(tls);
  if (treatment === 'keep') return;
  if (treatment === 'append' && slot >= 0) {
    // An own line behind those received means the same as one joined by commas (RFC 9110 §5.3).
    const value = details.valueOf(tls as TlsFacts);
    head.add(CLIENT_CERT, value, 0, value.length);
    return;
  }
  if (slot >= 0) head.removeAll(CLIENT_CERT);
  if (treatment === 'remove') return;
  const value = details.valueOf(tls as TlsFacts);
  head.add(CLIENT_CERT, value, 0, value.length);
}

/** After the cluster is known: rewrites, header changes, timeout for the upstream. Once per exchange. */
export function prepareUpstreamRequest(x: ExchangeRecord): void {
  if (x.is(REQUEST_PREPARED)) return;
  x.state |= REQUEST_PREPARED;
  const head = x.request;
  const listener = x.listener as ListenerRuntime;
  const route = x.route as NonNullable<typeof x.route>;
  const action = route.record.action;
  if (action.kind !== 'forward') return;
  if (route.virtualHost.record.includeRequestAttemptCount) {
    head.removeAll(ATTEMPT_COUNT);
    addDecimal(head, ATTEMPT_COUNT, Math.max(1, x.attemptCount));
  }
  if (x.routeTimeoutMs !== 0 && !listener.record.router.suppressEnvoyHeaders) {
    if (head.has(EXPECTED_TIMEOUT)) head.removeAll(EXPECTED_TIMEOUT);
    if (x.routeTimeoutMs === action.timeoutMs) head.addLine(route.timeoutLine);
    else addDecimal(head, EXPECTED_TIMEOUT, x.routeTimeoutMs);
  }
  route.mutateRequest(head, x, x.choice);
  route.rewriteRequest(head, x, x.choice, !listener.record.router.suppressEnvoyHeaders);
  if (action.hostRewrite !== null && action.hostRewrite.kind === 'auto')
    route.setHost(head, encoder.encode(x.upstreamHostname));
  if (listener.via.length > 0) appendVia(head, listener.via);
}

/**
 * Of a picked endpoint: the client's own where connections say who it is (PROXY protocol), of the host that it asks for where
 * they name that to the server (auto_sni); then the request is made ready first.
 */
export function poolOf(x: ExchangeRecord, cluster: Cluster, index: number): Pool {
  const { protocol, pools: own } = x.downstream as Client;
  const pools = own !== null && cluster.isForOneClient ? own.of(cluster) : cluster.pools;
  if (!cluster.isForOneHost) return pools.pool(index, protocol);
  prepareUpstreamRequest(x);
  return pools.hostPool(index, protocol, x.request);
}

/** Appends to Via (RFC 9110 §7.6.3): an own line after those received means the same as one joined by commas. */
export function appendVia(head: Head, via: Uint8Array): void {
  head.add(VIA, via, 0, via.length);
}
