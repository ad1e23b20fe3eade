/** ExchangeView: the narrow face of an exchange that routes, filters, formats and logs may read. */
import type { FaultCode } from '../fault/faults.js';
import type { Head } from '../http/head.js';
import type { Address } from '../io/transport.js';
import type { GrpcMessages } from './filter-state-value.js';
import type { TlsFacts } from '../tls/tls-facts.js';

export interface ExchangeView {
  readonly request: Head;
  /** Status 0 while there is none. */
  readonly response: Head;
  /** Trailers of the response when any came and a log asked for them. */
  readonly responseTrailers: Head | null;
  /** '' where no messages are: bytes carried as they are. */
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | '';
  readonly upstreamProtocol: 'HTTP/1.1' | 'HTTP/2' | '';
  /** The scheme the client used as far as trusted: x-forwarded-proto. */
  readonly scheme: 'http' | 'https';
  /** The trusted client address (after x-forwarded-for and hops), and the direct peer. */
  readonly remoteAddress: Address;
  readonly directRemoteAddress: Address;
  readonly localAddress: Address;
  readonly connectionId: number;
  readonly isInternal: boolean;
  /** Microseconds since worker start; 0 = did not happen. startWallMs: epoch milliseconds of the start. */
  readonly startWallMs: number;
  readonly startUs: number;
  readonly requestEndUs: number;
  readonly upstreamStartUs: number;
  readonly upstreamRequestEndUs: number;
  readonly upstreamHeadUs: number;
  readonly upstreamEndUs: number;
  readonly responseStartUs: number;
  readonly endUs: number;
  readonly nowUs: number;
  /** Body bytes. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly grpcMessages: GrpcMessages;
  readonly requestHeadBytes: number;
  readonly responseHeadBytes: number;
  readonly responseStatus: number;
  /** Faults in the order they came; flags and details follow from faults.ts. */
  readonly fault: FaultCode;
  /** E.g. "via_upstream", "route_not_found", "direct_response". */
  readonly responseCodeDetails: string;
  /** Comma-joined short flags, '' = none. */
  readonly responseFlags: string;
  readonly routeName: string;
  readonly virtualHostName: string;
  readonly clusterName: string;
  /** Null before an endpoint was picked. */
  readonly upstreamAddress: Address | null;
  readonly upstreamLocalAddress: Address | null;
  readonly upstreamHostname: string;
  readonly upstreamConnectionId: number;
  readonly attemptCount: number;
  readonly transportFailureReason: string;
  /** Null without TLS, and upstream before a connection is there. */
  readonly downstreamTls: TlsFacts | null;
  readonly upstreamTls: TlsFacts | null;
  /** What the ClientHello names of a client whose TLS is passed through; none for requests. */
  readonly passedServerName?: string | null;
  /** Absent: DownstreamEnd, the end of a request. */
  readonly accessLogType?: string;
  /** '' = it did not fail. */
  readonly downstreamTlsFailure: string;
  readonly hostname: string;
  /** "GET", also for methods without a number. */
  readonly methodName: string;
}
