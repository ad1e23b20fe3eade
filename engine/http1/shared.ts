/** Http1Shared: what all HTTP/1.1 codecs of one worker use in turn: the arena and the heads that parsers fill. */
import type { Head } from '../http/head.js';
import type { Arena } from '../io/transport.js';

export interface Http1Shared {
  readonly arena: Arena;
  /** Swapped with what sink.onHead answers: codec.ts law 3. */
  requestHead: Head;
  responseHead: Head;
  readonly trailers: Head;
}
