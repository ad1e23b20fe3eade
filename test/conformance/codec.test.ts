/** HTTP/1.1 and HTTP/2 codecs under the laws of http/codec.ts. */
import { FAULTS } from '../../engine/fault/faults.js';
import type { Codec, MessageStream, StreamAcceptor } from '../../engine/http/codec.js';
import { Http1ClientCodec } from '../../engine/http1/codec-client.js';
import { Http1ServerCodec } from '../../engine/http1/codec-server.js';
import { Http2ClientCodec } from '../../engine/http2/codec-client.js';
import { Http2ServerCodec } from '../../engine/http2/codec-server.js';
import { HTTP2_DEFAULTS } from '../../engine/http2/options.js';
import { FakeConn, newShared } from '../support/fake-conn.js';
import { newHttp2Shared } from '../support/http2-peer.js';
import { SERVER_OPTIONS } from '../support/server-harness.js';
import { type CodecPair, codecLaws, type LawfulSink } from './codec.suite.js';

class WireConn extends FakeConn {
  isFull = false;
  override write(bytes: Uint8Array, start: number, end: number): boolean {
    super.write(bytes, start, end);
    return this.isFull;
  }
  /** What was written since. */
  take(): Buffer {
    const bytes = Buffer.from(this.written, 'latin1');
    this.written = '';
    return bytes;
  }
}

const nothing = (): void => {};
const host = {
  onIdle: nothing,
  onFinished: nothing,
  onStreamsFree: nothing,
  onDraining: nothing,
  onFailed: nothing,
};

type MakeClient = (near: WireConn) => Codec;
type MakeServer = (far: WireConn, acceptor: StreamAcceptor) => Codec;

function makePair(makeSink: () => LawfulSink, makeClient: MakeClient, makeServer: MakeServer): CodecPair {
  const near = new WireConn();
  const far = new WireConn();
  const accepted: { stream: MessageStream; sink: LawfulSink }[] = [];
  const acceptor = {
    onStream: (stream: MessageStream) => {
      const sink = makeSink();
      accepted.push({ stream, sink });
      return sink;
    },
  };
  const client = makeClient(near);
  const server = makeServer(far, acceptor);
  const move = (from: WireConn, to: Codec, pieceBytes: number): number => {
    const bytes = from.take();
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      // Lent, and overwritten afterwards: law 4.
      const lent = new Uint8Array(bytes.subarray(at, at + pieceBytes));
      const fault = to.feed(lent, 0, lent.length);
      if (fault !== 0) throw new Error(`fault ${FAULTS[fault]?.reason}`);
      lent.fill(0xaa);
    }
    return bytes.length;
  };
  return {
    client,
    server,
    accepted,
    async transfer(pieceBytes) {
      while (move(near, server, pieceBytes) + move(far, client, pieceBytes) > 0);
      await new Promise((resolve) => setImmediate(resolve));
    },
    setFull(side, isFull) {
      (side === 'client' ? near : far).isFull = isFull;
    },
  };
}

codecLaws('http1', (makeSink) => {
  const shared = newShared();
  return makePair(
    makeSink,
    (near) => new Http1ClientCodec(near, host, SERVER_OPTIONS, shared),
    (far, acceptor) => new Http1ServerCodec(far, host, acceptor, SERVER_OPTIONS, shared),
  );
});

codecLaws('http2', (makeSink) => {
  const shared = newHttp2Shared();
  return makePair(
    makeSink,
    (near) => new Http2ClientCodec(near, host, HTTP2_DEFAULTS, shared),
    (far, acceptor) => new Http2ServerCodec(far, host, acceptor, HTTP2_DEFAULTS, shared),
  );
});
