/** Hop-by-hop: which fields end at this hop, which a peer can't make us drop, and which may not come as trailers. */
import { N, NAME_TEXT, type NameId } from './names.js';

/** Ids up to this one belong to framing, routing or the connection (RFC 9110 §7.6.1). */
export const CONNECTION_FIELDS_MAX: NameId = N['http2-settings'];

/**
 * Fields that stay whatever Connection nominates. Framing and routing: the next hop would read another message.
 * Who the client is and what it asked for: nominating them is a way to make a proxy hide what it knows.
 */
const KEPT = tableOf((name) => {
  if (name === 'host' || name === 'content-length' || name === 'transfer-encoding') return true;
  return name.startsWith('x-forwarded-') || name.startsWith('x-envoy-') || name === 'forwarded' || name === 'via';
});

const LATE: ReadonlySet<string> = new Set([
  // Routing and request modifiers.
  'forwarded',
  'x-request-id',
  'cache-control',
  'max-forwards',
  'range',
  'priority',
  // Authentication.
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'www-authenticate',
  'cookie',
  'set-cookie',
  // Response controls.
  'age',
  'date',
  'location',
  'retry-after',
  'vary',
  'warning',
  // What the body is.
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
]);

/** Trailers that a receiver would have needed before the body, or must not take late (RFC 9110 §6.5.1). */
const FORBIDDEN_TRAILERS = tableOf((name, id) => {
  if (id <= CONNECTION_FIELDS_MAX || name.startsWith('x-forwarded-') || name.startsWith('x-envoy-')) return true;
  if (name.startsWith('if-') || name.startsWith('access-control-') || name.startsWith('sec-websocket-')) return true;
  return LATE.has(name);
});

function tableOf(isIn: (name: string, id: NameId) => boolean): Uint8Array {
  return Uint8Array.from(NAME_TEXT, (name, id) => (id !== 0 && isIn(name, id) ? 1 : 0));
}

/** May Connection nominate this field? Names that are not well known may always be. */
export function mayBeNominated(id: NameId): boolean {
  return KEPT[id] === 0;
}

/** Host, lengths, codings, Connection and the like: in a trailer section they are an attack. */
export function isFramingTrailer(id: NameId): boolean {
  return id !== 0 && id <= CONNECTION_FIELDS_MAX;
}

export function isForbiddenTrailer(id: NameId): boolean {
  return FORBIDDEN_TRAILERS[id] !== 0;
}
