/** Http2Origin: an HTTP/2 server that compares requests with their scripts and answers as these say, failures included. */
import { FAULTS, type FaultCode, UP_RESET } from '../../engine/fault/faults.js';
import type { MessageSink, MessageStream, StreamAcceptor } from '../../engine/http/codec.js';
import { HEAD_EXTENDED_CONNECT, type Head } from '../../engine/http/head.js';
import { methodName } from '../../engine/http/methods.js';
import { Http2ServerCodec } from '../../engine/http2/codec-server.js';
import { newHead } from '../support/fake-conn.js';
import { addField, fieldsOf, PEER_SHARED, PeerConn, peerOptions, QUIET_HOST, TextSink } from './http2-wire.js';
import type { PeerEnd, SimPeer } from './link.js';
import { bodyText, type Failure, failureAt, hasResponseBody, type Script } from './script.js';
import type { World } from './world.js';

let origins = 0;

/** A request and its answer. */
class Served extends TextSink {
  readonly #world: World;
  readonly #origin: Http2Origin;
  readonly #stream: MessageStream;
  #script: Script | null = null;
  #failure: Failure = 'none';
  #isPlanned = false;
  #isGone = false;

  constructor(world: World, origin: Http2Origin, stream: MessageStream) {
    super();
    this.#world = world;
    this.#origin = origin;
    this.#stream = stream;
  }

  onMessageHead(head: Head): void {
    const world = this.#world;
    const fields = fieldsOf(head);
    const isConnect = methodName(head.method) === 'CONNECT';
    const id = isConnect ? Number(fields.get('x-id')) : Number(/^\/r\/(\d+)\?q=1$/.exec(head.pathString())?.[1] ?? -1);
    const script = world.scripts.get(id);
    if (script === undefined) {
      world.violation(`origin got ${head.pathString()}`);
      return;
    }
    if (methodName(head.method) !== (script.isConnect ? 'CONNECT' : script.method))
      world.violation(`request ${id} came as ${head.method}`);
    if (fields.get('x-id') !== String(id)) world.violation(`request ${id} has x-id ${fields.get('x-id')}`);
    if (fields.get('x-forwarded-for') !== '10.1.2.3') world.violation(`request ${id} has no client address`);
    const isUpgrade = (head.flags & HEAD_EXTENDED_CONNECT) !== 0;
    if (isUpgrade !== (script.isTunnel && !script.isConnect)) world.violation(`request ${id} is no extended CONNECT`);
    const authority = isConnect ? 'sim.example:443' : 'sim.example';
    if (head.authorityString().toLowerCase() !== authority) world.violation(`request ${id} is for somebody else`);
    world.trace('origin got head', id);
    this.#script = script;
    this.#failure = failureAt(script, world.arrived(script));
    if (script.isTunnel) this.#tunnel(script);
    if (script.expectsContinue && this.#failure === 'none' && !script.isEarly) this.#interim(100);
    if (script.isEarly) this.#plan(script);
  }

  #tunnel(script: Script): void {
    const failure = this.#failure;
    if (failure !== 'none' && failure !== 'closeMiddle' && failure !== 'resetMiddle') {
      this.#plan(script);
      return;
    }
    const head = newHead();
    head.status = script.isConnect ? 200 : 101;
    // The end of one side may come with the head.
    this.#stream.sendHead(head, failure === 'closeMiddle');
    if (failure === 'resetMiddle') this.#stream.reset(UP_RESET);
  }

  /** What comes through a tunnel goes back. */
  override onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const isTunnel = this.#script?.isTunnel === true;
    if (isTunnel && this.#failure === 'none') this.#stream.sendData(bytes, start, end, last);
    super.onData(bytes, start, end, last);
  }

  onMessageEnd(trailers: ReadonlyMap<string, string>): void {
    const script = this.#script;
    if (script === null || script.isTunnel) return;
    const world = this.#world;
    if (this.text !== bodyText(script.id, false, script.requestLength))
      world.violation(`request ${script.id}: body of ${this.text.length} instead of ${script.requestLength} bytes`);
    const sum = script.hasTrailers && script.requestFraming === 'chunked' ? String(script.id) : undefined;
    if (trailers.get('x-sum') !== sum) world.violation(`request ${script.id}: trailers differ`);
    world.receivedWhole(script);
    if (!this.#isPlanned) this.#plan(script);
  }

  onReset(): void {
    this.#isGone = true;
  }
  consumed(byteCount: number): void {
    this.#stream.consumed(byteCount);
  }

  #plan(script: Script): void {
    this.#isPlanned = true;
    this.#world.after(script.delayMs, () => {
      if (!this.#isGone && !this.#origin.isOver) this.#answer(script);
    });
  }

  #interim(status: number): void {
    const head = newHead();
    head.status = status;
    addField(head, 'x-interim', String(this.#script?.id));
    this.#stream.sendHead(head, false);
  }

  #answer(script: Script): void {
    const failure = this.#failure;
    this.#world.trace(`origin answers, failure ${failure}`, script.id);
    if (failure === 'never') return;
    // Failures are the stream's alone: the others on this connection go on.
    if (failure === 'resetBefore' || failure === 'closeBefore' || failure === 'garbage') {
      this.#stream.reset(UP_RESET);
      return;
    }
    const body = Buffer.from(bodyText(script.id, true, script.responseLength), 'latin1');
    for (const status of script.interims) this.#interim(status);
    const head = newHead();
    head.status = script.status;
    addField(head, 'x-id', String(script.id));
    const hasBody = hasResponseBody(script);
    if (script.status !== 204 && (script.responseFraming === 'length' || !hasBody))
      addField(head, 'content-length', String(script.responseLength));
    this.#stream.sendHead(head, !hasBody);
    if (hasBody) this.#sendBody(script, body, failure);
    if (script.closesAfter) this.#origin.drain();
  }

  #sendBody(script: Script, body: Uint8Array, failure: Failure): void {
    const stream = this.#stream;
    if (failure !== 'none') {
      stream.sendData(body, 0, Math.floor((body.length * (script.id % 10)) / 10), false);
      stream.reset(UP_RESET);
    } else if (script.responseFraming === 'chunked' && script.hasTrailers) {
      stream.sendData(body, 0, body.length, false);
      const trailers = newHead();
      addField(trailers, 'x-sum', String(script.id));
      stream.sendTrailers(trailers);
    } else stream.sendData(body, 0, body.length, true);
  }
}

export class Http2Origin implements SimPeer, StreamAcceptor {
  readonly #world: World;
  readonly #conn = new PeerConn();
  #codec: Http2ServerCodec | null = null;
  isOver = false;

  constructor(world: World) {
    this.#world = world;
  }

  onOpen(end: PeerEnd): void {
    this.#conn.end = end;
    this.#codec = new Http2ServerCodec(this.#conn, QUIET_HOST, this, peerOptions(origins++), PEER_SHARED);
  }
  onStream(stream: MessageStream): MessageSink {
    return new Served(this.#world, this, stream);
  }
  onBytes(_end: PeerEnd, bytes: Uint8Array): void {
    const fault: FaultCode = this.#codec?.feed(bytes, 0, bytes.length) ?? 0;
    if (fault !== 0) this.#world.violation(`origin got ${FAULTS[fault]?.reason}`);
  }
  drain(): void {
    this.#codec?.drain();
  }
  onEnd(end: PeerEnd): void {
    this.#codec?.feedEnd();
    end.end();
  }
  onClosed(): void {
    this.isOver = true;
    this.#codec?.close(UP_RESET);
  }
}
