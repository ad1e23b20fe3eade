/** Buffer: a request goes on when all of its body is here, and not at all when that is too much (Envoy). */
import { FAULTS, type Fault, REQUEST_TOO_LARGE } from '../fault/faults.js';
import { delimitByLength } from '../http/framing.js';
import type { BufferRecord } from '../plan/buffer-record.js';
import { type FilterContext, type FilterKind, type FilterState, HOLD, NEXT, TAKEN, type Verdict } from './filter.js';
import { Gathered } from './gathered.js';

export const TOO_LARGE = new TextEncoder().encode((FAULTS[REQUEST_TOO_LARGE] as Fault).body as string);

class Buffering implements FilterState {
  isActive = false;
  readonly body = new Gathered();

  reset(): void {
    if (!this.isActive) return;
    this.isActive = false;
    this.body.reset();
  }
}

export const BUFFER: FilterKind<BufferRecord, Buffering> = {
  typeUrl: 'envoy.extensions.filters.http.buffer.v3.Buffer',
  build: (record) => record as BufferRecord,
  newState: () => new Buffering(),

  onRequestHead(x: FilterContext, config: BufferRecord, state: Buffering, end: boolean): Verdict {
    if (end) return NEXT;
    if (x.request.contentLength > config.maxRequestBytes) return x.reply(413, TOO_LARGE, REQUEST_TOO_LARGE);
    state.isActive = true;
    return HOLD;
  },

  onRequestData(x, config, state, bytes, start, end, last): Verdict {
    if (!state.isActive) return NEXT;
    const { body } = state;
    if (last && body.length + end - start <= config.maxRequestBytes) {
      if (x.request.contentLength < 0) delimitByLength(x.request, body.length + end - start);
      // It has come in one piece.
      if (body.length === 0) return NEXT;
    }
    if (!body.add(bytes, start, end, config.maxRequestBytes)) return x.reply(413, TOO_LARGE, REQUEST_TOO_LARGE);
    if (last) x.emit(body.bytes, 0, body.length, true);
    return TAKEN;
  },

  // No length is announced then: HTTP/1.1 has trailers behind chunks alone.
  onRequestTrailers(x, _config, state): Verdict {
    if (state.isActive && state.body.length > 0) x.emit(state.body.bytes, 0, state.body.length, false);
    return NEXT;
  },
};
