/** HTTP/1.1 codecs under the laws of http/codec.ts. */
import { FAULTS } from '../../engine/fault/faults.js';
import type { Codec, MessageStream } from '../../engine/http/codec.js';
import { Http1ClientCodec } from '../../engine/http1/codec-client.js';
import { Http1ServerCodec } from '../../engine/http1/codec-server.js';
import { FakeConn, newShared } from '../support/fake-conn.js';
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

const host = { onIdle: () => {}, onFinished: () => {} };

function makePair(makeSink: () => LawfulSink): CodecPair {
  const shared = newShared();
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
  const client = new Http1ClientCodec(near, host, SERVER_OPTIONS, shared);
  const server = new Http1ServerCodec(far, host, acceptor, SERVER_OPTIONS, shared);
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

codecLaws('http1', makePair);
