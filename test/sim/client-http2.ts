/** Http2Client: sends scripted requests as streams of one connection and judges each answer against its script. */
import { FAULTS, type FaultCode, UP_STREAM_REFUSED } from '../../engine/fault/faults.js';
import type { MessageStream } from '../../engine/http/codec.js';
import { HEAD_AUTHORITY_FORM, HEAD_EXTENDED_CONNECT, HEAD_UPGRADE, type Head } from '../../engine/http/head.js';
import { methodNumber } from '../../engine/http/methods.js';
import { N } from '../../engine/http/names.js';
import { Http2ClientCodec } from '../../engine/http2/codec-client.js';
import { newHead } from '../support/fake-conn.js';
import type { Manners } from './client.js';
import { addField, fieldsOf, PEER_SHARED, PeerConn, peerOptions, QUIET_HOST, TextSink } from './http2-wire.js';
import type { PeerEnd, SimPeer } from './link.js';
import { bodyText, hasResponseBody, type Script } from './script.js';
import type { World } from './world.js';

const AUTHORITY = Buffer.from('sim.example');
const WEBSOCKET = Buffer.from('websocket');
const CONNECT_AUTHORITY = Buffer.from('sim.example:443');
/** Bytes of a body that are handed over at once. */
const PIECE_BYTES = 3000;

/** What a request got. */
export interface Answered {
  readonly status: number;
  text: string;
  readonly isWhole: boolean;
  /** 100 came before its body was sent. */
  readonly isContinued: boolean;
}

/** A request that was sent, and its answer. */
class Asked extends TextSink {
  readonly script: Script;
  readonly #client: Http2Client;
  /** Its body waits for 100, or for the tunnel. */
  isWaiting = false;
  isContinued = false;
  stream: MessageStream | null = null;
  status = 0;
  id: string | undefined;
  isWhole = false;
  reset = '';

  constructor(client: Http2Client, script: Script) {
    super();
    this.#client = client;
    this.script = script;
  }

  onMessageHead(head: Head): void {
    const fields = fieldsOf(head);
    if (head.status === 100 && this.isWaiting) this.isContinued = true;
    if (head.status === 100 || head.status === 101 || this.script.isTunnel) this.#client.sendBody(this);
    if (head.status >= 200 || head.status === 101) {
      this.status = head.status;
      this.id = fields.get('x-id');
    } else if (head.status !== 100 && fields.get('x-interim') !== String(this.script.id))
      this.#client.world.violation(`an interim response of ${fields.get('x-interim')} for ${this.script.id}`);
  }
  onMessageEnd(trailers: ReadonlyMap<string, string>): void {
    const { script } = this;
    this.isWhole = true;
    if (this.id === String(script.id) && hasResponseBody(script)) {
      const sum = script.hasTrailers && script.responseFraming === 'chunked' ? String(script.id) : undefined;
      if (trailers.get('x-sum') !== sum) this.#client.world.violation(`response ${script.id}: trailers differ`);
    }
    this.#client.onAnswered();
  }
  /** What comes back through the tunnel. */
  get isThroughTunnel(): boolean {
    return this.script.isTunnel && this.status === (this.script.isConnect ? 200 : 101);
  }
  onReset(fault: FaultCode): void {
    this.reset = FAULTS[fault]?.reason ?? String(fault);
    this.#client.onAnswered();
  }
  consumed(byteCount: number): void {
    this.stream?.consumed(byteCount);
  }
  get isOver(): boolean {
    return this.isWhole || this.reset !== '';
  }
}

export class Http2Client implements SimPeer {
  readonly world: World;
  readonly scripts: readonly Script[];
  readonly manners: Manners;
  hasLeft = false;
  readonly #conn = new PeerConn();
  readonly #codec: Http2ClientCodec;
  readonly #asked: Asked[] = [];
  #end: PeerEnd | null = null;
  #next = 0;
  #read = 0;

  constructor(world: World, scripts: readonly Script[], manners: Manners) {
    this.world = world;
    this.scripts = scripts;
    this.manners = manners;
    this.#codec = new Http2ClientCodec(this.#conn, QUIET_HOST, peerOptions(scripts[0]?.id ?? 0), PEER_SHARED);
  }

  onOpen(end: PeerEnd): void {
    this.#end = end;
    this.#conn.end = end;
    this.#codec.start();
    if (this.manners.isSlow) this.#pauseNowAndThen();
    this.#ask();
  }

  #pauseNowAndThen(): void {
    const end = this.#end as PeerEnd;
    if (end.isClosed) return;
    end.isPaused = true;
    this.world.after(200, () => {
      end.isPaused = false;
      this.world.after(50, () => this.#pauseNowAndThen());
    });
  }

  /** The next request, and all others with it when the client is that eager. */
  #ask(): void {
    do {
      const script = this.scripts[this.#next];
      if (script === undefined || this.hasLeft || this.#codec.streamsFree() === 0) return;
      // Extended CONNECT has to be announced first (RFC 8441 §3).
      if (script.isTunnel && !script.isConnect && !this.#codec.isSettled) return;
      this.#next++;
      this.world.trace('client asks', script.id);
      this.#send(script);
      const { leavesAfterSent } = this.manners;
      if (leavesAfterSent >= 0 && this.#conn.bytesWritten > leavesAfterSent) this.#leave();
    } while (this.manners.isPipelined);
  }

  #send(script: Script): void {
    const asked = new Asked(this, script);
    this.#asked.push(asked);
    const stream = this.#codec.openStream(asked) as MessageStream;
    asked.stream = stream;
    const head = newHead();
    const path = Buffer.from(`/r/${script.id}?q=1`);
    const authority = script.isConnect ? CONNECT_AUTHORITY : AUTHORITY;
    head.method = methodNumber(script.isConnect ? 'CONNECT' : script.method);
    if (script.isConnect) head.flags |= HEAD_AUTHORITY_FORM;
    else head.setPath(path, 0, path.length);
    head.setAuthority(authority, 0, authority.length);
    addField(head, 'x-id', String(script.id));
    if (script.isTunnel && !script.isConnect) {
      head.flags |= HEAD_UPGRADE | HEAD_EXTENDED_CONNECT;
      head.add(N.upgrade, WEBSOCKET, 0, WEBSOCKET.length);
    }
    if (script.expectsContinue) addField(head, 'expect', '100-continue');
    if (script.requestFraming === 'length') addField(head, 'content-length', String(script.requestLength));
    const hasBody = script.requestFraming !== 'none' || script.isTunnel;
    asked.isWaiting = hasBody;
    stream.sendHead(head, !hasBody);
    // Bytes of a tunnel may follow at once; a client need not wait for 100 for ever either (RFC 9110 §10.1.1).
    if (script.expectsContinue) this.world.after(300, () => this.sendBody(asked));
    else if (!script.isTunnel || script.id % 3 === 0) this.sendBody(asked);
  }

  /** Once. */
  sendBody(asked: Asked): void {
    const { script, stream } = asked;
    if (!asked.isWaiting || stream === null || this.hasLeft || asked.isOver) return;
    asked.isWaiting = false;
    const body = Buffer.from(bodyText(script.id, false, script.requestLength), 'latin1');
    for (let at = 0; at < body.length; at += PIECE_BYTES)
      stream.sendData(body, at, Math.min(body.length, at + PIECE_BYTES), false);
    if (script.requestFraming === 'chunked' && script.hasTrailers) {
      const trailers = newHead();
      addField(trailers, 'x-sum', String(script.id));
      stream.sendTrailers(trailers);
    } else stream.sendData(body, 0, 0, true);
  }

  #leave(): void {
    this.world.trace('client leaves', this.scripts[0]?.id);
    this.hasLeft = true;
    if (this.manners.leavesWithReset) this.#end?.reset();
    else this.#end?.close();
  }

  onBytes(_end: PeerEnd, bytes: Uint8Array): void {
    if (this.hasLeft) return;
    this.#read += bytes.length;
    const fault = this.#codec.feed(bytes, 0, bytes.length);
    if (fault !== 0) this.world.violation(`client got ${FAULTS[fault]?.reason}`);
    const { leavesAfterRead } = this.manners;
    if (leavesAfterRead >= 0 && this.#read > leavesAfterRead) this.#leave();
    else this.onAnswered();
  }

  /** The next one when the last is answered; the end behind the last. */
  onAnswered(): void {
    if (this.hasLeft || this.#asked.some((asked) => !asked.isOver)) return;
    if (this.#next < this.scripts.length && this.#codec.streamsFree() > 0) this.#ask();
    else this.#end?.close();
  }

  onEnd(end: PeerEnd): void {
    this.#codec.feedEnd();
    end.end();
  }
  onClosed(): void {
    this.#codec.close(0);
  }

  // ---- the judge ----------------------------------------------------------------------------------------

  get answers(): readonly Answered[] {
    return this.#asked;
  }

  describe(): string {
    const answers = this.#asked.map(({ status, id, isWhole, reset }) => [status, id ?? 'proxy', isWhole, reset]);
    return JSON.stringify({ scripts: this.scripts, manners: this.manners, answers, hasLeft: this.hasLeft });
  }

  judge(): void {
    const { world } = this;
    for (const asked of this.#asked) {
      const { script } = asked;
      // A GOAWAY may have overtaken the request, or the upstream's: it was looked at by nobody.
      const isRefused = asked.reset === FAULTS[UP_STREAM_REFUSED]?.reason;
      const isExcused = this.hasLeft || isRefused || this.#mayFail(script);
      if (!asked.isWhole && !isExcused) world.violation(`request ${script.id} was not answered whole: ${asked.reset}`);
      if (asked.status !== 0) this.#judgeAnswer(asked);
    }
  }

  #mayFail(script: Script): boolean {
    return this.world.mayFail(script) || script.isEarly;
  }

  #judgeTunnel({ script, text, isWhole }: Asked): void {
    const meant = bodyText(script.id, false, script.requestLength);
    if (isWhole && !this.#mayFail(script) ? text === meant : meant.startsWith(text)) return;
    this.world.violation(`tunnel ${script.id}: ${text.length} of ${meant.length} bytes came back`);
  }

  #judgeAnswer(asked: Asked): void {
    const { world } = this;
    const { script, status, id, text, isWhole } = asked;
    if (asked.isThroughTunnel) {
      this.#judgeTunnel(asked);
      return;
    }
    if (id === undefined) {
      if (!this.#mayFail(script)) world.violation(`request ${script.id} was answered ${status} by the proxy`);
      if (status < 400) world.violation(`request ${script.id} got ${status} from nobody`);
      return;
    }
    if (id !== String(script.id)) world.violation(`request ${script.id} got the answer of ${id}`);
    if (status !== script.status) world.violation(`request ${script.id} got ${status}`);
    const meant = hasResponseBody(script) ? bodyText(script.id, true, script.responseLength) : '';
    // Nobody can see that a body which lasts until the end of the connection was cut by a FIN.
    const mayBeCut = script.responseFraming === 'close' && script.failures.includes('closeMiddle');
    const isRight = isWhole && !mayBeCut ? text === meant : meant.startsWith(text);
    if (!isRight) world.violation(`response ${script.id}: ${text.length} of ${meant.length} bytes, or others`);
  }
}
