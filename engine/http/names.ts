/** Well-known field names and their ids: one integer comparison instead of a string anywhere on the data path. */

/** Id of a well-known field name; 0 means "not well known". Ids below 32 also have a presence bit in Head. */
export type NameId = number;

// The first 31 are what the core asks about for every message, so that Head.has() is one bit test.
const WELL_KNOWN = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'proxy-connection',
  'http2-settings',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-request-id',
  'x-envoy-internal',
  'x-envoy-external-address',
  'server',
  'date',
  'via',
  'content-type',
  'cookie',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-retry-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-service-time',
  'x-envoy-original-path',
  'x-envoy-attempt-count',
  'x-client-trace-id',
  'grpc-timeout',
  // Ids from 32 on: known, but without a presence bit.
  'x-envoy-retry-grpc-on',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-original-url',
  'x-envoy-original-host',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-overloaded',
  'x-envoy-ratelimited',
  'x-envoy-immediate-health-check-fail',
  'x-envoy-degraded',
  'x-forwarded-port',
  'forwarded',
  'proxy-authenticate',
  'proxy-authorization',
  'authorization',
  'user-agent',
  'accept',
  'accept-encoding',
  'accept-language',
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
  'cache-control',
  'etag',
  'last-modified',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'range',
  'referer',
  'origin',
  'location',
  'set-cookie',
  'vary',
  'age',
  'allow',
  'warning',
  'retry-after',
  'strict-transport-security',
  'www-authenticate',
  'access-control-allow-origin',
  'sec-websocket-key',
  'sec-websocket-accept',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'grpc-status',
  'grpc-message',
  'traceparent',
  'tracestate',
  'b3',
  'priority',
  'max-forwards',
  // The rest of HPACK's static table.
  'accept-charset',
  'accept-ranges',
  'content-disposition',
  'expires',
  'from',
  'if-range',
  'link',
  'refresh',
  'x-forwarded-client-cert',
] as const;

export type WellKnownName = (typeof WELL_KNOWN)[number];

const ids: Record<string, number> = Object.create(null);
for (let i = 0; i < WELL_KNOWN.length; i++) ids[WELL_KNOWN[i] as string] = i + 1;

/** Id of a lower-case name, 0 when it is not well known. For start-up and compilers, not for the data path. */
export function nameIdOf(lowercase: string): NameId {
  return ids[lowercase] ?? 0;
}

/** N['content-length'] is that name's id: a constant wherever it is written down. */
export const N = Object.freeze(ids) as Readonly<Record<WellKnownName, NameId>>;

/** Lower-case spelling of each id, as text and as bytes; entry 0 is empty. */
export const NAME_TEXT: readonly string[] = ['', ...WELL_KNOWN];
export const NAME_BYTES: readonly Uint8Array[] = NAME_TEXT.map((text) => new TextEncoder().encode(text));
/** The same with ": " behind, as a field line begins. */
export const LINE_STARTS: readonly Uint8Array[] = NAME_TEXT.map((text) => new TextEncoder().encode(`${text}: `));

// A hash over (length, first, two middle, last byte) with short chains; filled once at load.
const SLOTS = 512;
const FIRST = new Uint8Array(SLOTS);
const NEXT = new Uint8Array(NAME_BYTES.length);

function slotOf(bytes: Uint8Array, start: number, length: number): number {
  // | 0x20 folds letters; for '-' and digits it is the identity, other bytes fail the comparison afterwards.
  const first = (bytes[start] as number) | 0x20;
  const third = (bytes[start + (length >> 2)] as number) | 0x20;
  const middle = (bytes[start + (length >> 1)] as number) | 0x20;
  const last = (bytes[start + length - 1] as number) | 0x20;
  return (length * 37 + first * 7 + third * 31 + middle * 101 + last * 59) & (SLOTS - 1);
}

for (let id = NAME_BYTES.length - 1; id > 0; id--) {
  const name = NAME_BYTES[id] as Uint8Array;
  const slot = slotOf(name, 0, name.length);
  NEXT[id] = FIRST[slot] as number;
  FIRST[slot] = id;
}

/** bytes hold a token: then | 0x20 changes nothing but the case of letters that could match. */
function isName(name: Uint8Array, bytes: Uint8Array, start: number): boolean {
  const length = name.length;
  for (let i = 0; i < length; i++) if (((bytes[start + i] as number) | 0x20) !== name[i]) return false;
  return true;
}

/** Id of the name in bytes[start, end), a token in any case; 0 when it is not well known. Allocates nothing. */
export function nameId(bytes: Uint8Array, start: number, end: number): NameId {
  const length = end - start;
  if (length < 2) return 0;
  let id = FIRST[slotOf(bytes, start, length)] as number;
  while (id !== 0) {
    const name = NAME_BYTES[id] as Uint8Array;
    if (name.length === length && isName(name, bytes, start)) return id;
    id = NEXT[id] as number;
  }
  return 0;
}
