/** Cors: pages of other origins may use a route: preflights are answered, answers say who may read them (Envoy). */
import { equalsIgnoreCase } from '../base/ascii.js';
import { type FieldLine, namedLine } from '../http/field-line.js';
import type { Head } from '../http/head.js';
import { METHOD_OPTIONS } from '../http/methods.js';
import { N } from '../http/names.js';
import { StringMatch } from '../format/string-match.js';
import { HTTP } from '../metrics/declare.js';
import type { CorsRecord } from '../plan/cors-record.js';
import { type FilterContext, type FilterKind, type FilterState, NEXT, type Verdict } from './filter.js';
import { isDrawn } from './fraction.js';

const VALID = HTTP.index['cors.origin_valid'];
const INVALID = HTTP.index['cors.origin_invalid'];
const ALLOW_ORIGIN = N['access-control-allow-origin'];
const ORIGIN = N.origin;

const encoder = new TextEncoder();
const TRUE = encoder.encode('true');
const STAR = encoder.encode('*');
const REQUEST_METHOD = encoder.encode('access-control-request-method');
const REQUEST_HEADERS = encoder.encode('access-control-request-headers');
const REQUEST_PRIVATE_NETWORK = encoder.encode('access-control-request-private-network');
const ALLOW_CREDENTIALS = encoder.encode('access-control-allow-credentials');
const ALLOW_METHODS = encoder.encode('access-control-allow-methods');
const ALLOW_HEADERS = encoder.encode('access-control-allow-headers');
const ALLOW_PRIVATE_NETWORK = encoder.encode('access-control-allow-private-network');
const EXPOSE_HEADERS = encoder.encode('access-control-expose-headers');
const NO_BODY = new Uint8Array(0);

class Policy {
  readonly record: CorsRecord;
  readonly origins: readonly StringMatch[];
  readonly methods: Uint8Array;
  readonly headers: Uint8Array;
  readonly exposed: Uint8Array;
  readonly maxAge: FieldLine | null;
  readonly forwardsOthers: boolean;

  constructor(record: CorsRecord) {
    this.record = record;
    this.origins = record.allowOrigins.map((origin) => new StringMatch(origin));
    this.methods = encoder.encode(record.allowMethods);
    this.headers = encoder.encode(record.allowHeaders);
    this.exposed = encoder.encode(record.exposeHeaders);
    this.maxAge = record.maxAge === '' ? null : namedLine('access-control-max-age', record.maxAge);
    this.forwardsOthers = record.forwardNotMatchingPreflights ?? true;
  }

  /** "*" allows every origin; one that is literally "*" is none. */
  allows(bytes: Uint8Array, start: number, end: number): boolean {
    for (let i = 0; i < this.origins.length; i++) {
      const origin = this.origins[i] as StringMatch;
      if (origin.matches(STAR, 0, 1) || origin.matches(bytes, start, end)) return true;
    }
    return false;
  }
}

class CrossOrigin implements FilterState {
  /** Of the request's Origin when it is allowed: slots stay, whatever is done to the field. */
  originSlot = -1;
  isPreflight = false;

  reset(): void {
    this.originSlot = -1;
    this.isPreflight = false;
  }
}

/** Its config is null where there is no policy. */
export const CORS: FilterKind<Policy | null, CrossOrigin> = {
  typeUrl: 'envoy.extensions.filters.http.cors.v3.Cors',
  build: (record) => (record === null ? null : new Policy(record as CorsRecord)),
  newState: () => new CrossOrigin(),

  onRequestHead(x: FilterContext, config: Policy | null, state: CrossOrigin): Verdict {
    const policy = config as Policy;
    const { record } = policy;
    const head = x.request;
    const slot = head.find(ORIGIN);
    if (slot < 0 || head.valueEnd(slot) === head.valueStart(slot)) return NEXT;
    const isEnabled = isDrawn(x, record.enabled);
    if (!isEnabled && !isDrawn(x, record.shadowed)) return NEXT;
    const isAllowed = policy.allows(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
    x.addTo(record.counters + (isAllowed ? VALID : INVALID), 1);
    if (!isEnabled) return NEXT;
    if (isAllowed) state.originSlot = slot;
    if (head.method !== METHOD_OPTIONS || !hasValue(head, REQUEST_METHOD)) return NEXT;
    if (!isAllowed && policy.forwardsOthers) return NEXT;
    state.isPreflight = true;
    x.responseCodeDetails = 'cors_response';
    return x.reply(200, NO_BODY, 0);
  },

  onResponseHead(x: FilterContext, config: Policy | null, state: CrossOrigin): Verdict {
    const policy = config as Policy;
    const { request, response } = x;
    if (state.originSlot >= 0) {
      const slot = state.originSlot;
      response.removeAll(ALLOW_ORIGIN);
      response.add(ALLOW_ORIGIN, request.fieldBytes(slot), request.valueStart(slot), request.valueEnd(slot));
    }
    if (state.isPreflight) addPreflight(policy, request, response);
    else if (state.originSlot >= 0) {
      if (policy.record.allowCredentials === true) set(response, ALLOW_CREDENTIALS, TRUE);
      if (policy.exposed.length > 0) set(response, EXPOSE_HEADERS, policy.exposed);
    }
    return NEXT;
  },
};

function addPreflight(policy: Policy, request: Head, response: Head): void {
  const { record } = policy;
  if (record.allowCredentials === true) set(response, ALLOW_CREDENTIALS, TRUE);
  setOrEcho(response, ALLOW_METHODS, policy.methods, request, REQUEST_METHOD);
  setOrEcho(response, ALLOW_HEADERS, policy.headers, request, REQUEST_HEADERS);
  if (policy.maxAge !== null) response.addLine(policy.maxAge);
  if (record.allowPrivateNetworkAccess !== true) return;
  const asked = request.findByName(REQUEST_PRIVATE_NETWORK);
  if (asked < 0) return;
  const isTrue = equalsIgnoreCase(request.fieldBytes(asked), request.valueStart(asked), request.valueEnd(asked), TRUE);
  if (isTrue) set(response, ALLOW_PRIVATE_NETWORK, TRUE);
}

function hasValue(head: Head, name: Uint8Array): boolean {
  const slot = head.findByName(name);
  return slot >= 0 && head.valueEnd(slot) > head.valueStart(slot);
}

function set(head: Head, name: Uint8Array, value: Uint8Array): void {
  head.removeAllByName(name);
  head.addName(name, 0, value, 0, value.length);
}

/** "*": what the request asks for. */
function setOrEcho(response: Head, name: Uint8Array, value: Uint8Array, request: Head, asked: Uint8Array): void {
  if (value.length === 0) return;
  const slot = value.length === 1 && value[0] === STAR[0] ? request.findByName(asked) : -1;
  if (slot < 0) set(response, name, value);
  else response.addName(name, 0, request.fieldBytes(slot), request.valueStart(slot), request.valueEnd(slot));
}
