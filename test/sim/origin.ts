/** Origin: reads requests, compares them with their scripts and answers as these say, failures included. */
import { websocketAccept } from '../../engine/http/websocket-key.js';
import { MessageReader, type ReadHead } from './message-reader.js';
import type { PeerEnd, SimPeer } from './link.js';
import { bodyText, chunked, type Failure, failureAt, hasResponseBody, type Script } from './script.js';
import type { World } from './world.js';

export class Origin implements SimPeer {
  readonly #world: World;
  readonly #reader: MessageReader;
  #end: PeerEnd | null = null;
  #script: Script | null = null;
  #failure: Failure = 'none';
  #body = '';
  #isAnswered = false;
  #isTunnel = false;
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
    this.#reader = new MessageReader(
      {
        onHead: (head) => this.#onHead(head),
        onBody: (text) => this.#onBody(text),
        onEnd: (trailers) => this.#onEnd(trailers),
      },
      false,
    );
  }

  onOpen(end: PeerEnd): void {
    this.#end = end;
  }
  onBytes(_end: PeerEnd, bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#reader.push(bytes);
    if (this.#reader.violation !== '') this.#world.violation(`origin got ${this.#reader.violation}`);
  }
  onEnd(end: PeerEnd): void {
    this.#isOver = !this.#isTunnel;
    end.end();
  }
  onClosed(): void {
    this.#isOver = true;
  }

  #onHead(head: ReadHead): boolean {
    const world = this.#world;
    const [method, target] = head.start.split(' ') as [string, string];
    const isConnect = head.start === 'CONNECT sim.example:443 HTTP/1.1';
    const id = isConnect ? Number(head.fields.get('x-id')) : Number(/^\/r\/(\d+)\?q=1$/.exec(target)?.[1] ?? -1);
    const script = world.scripts.get(id);
    if (script === undefined) {
      world.violation(`origin got ${head.start}`);
      return false;
    }
    if (method !== (script.isConnect ? 'CONNECT' : script.method)) world.violation(`request ${id} came as ${method}`);
    if (head.fields.get('x-id') !== String(id)) world.violation(`request ${id} has x-id ${head.fields.get('x-id')}`);
    if (!script.isTunnel && head.fields.has('connection')) world.violation(`request ${id} has a Connection field`);
    if (head.fields.get('x-forwarded-for') !== '10.1.2.3') world.violation(`request ${id} has no client address`);
    world.trace('origin got head', id);
    this.#script = script;
    this.#failure = failureAt(script, world.arrived(script));
    this.#body = '';
    this.#isAnswered = false;
    if (script.isTunnel) {
      this.#tunnel(script, head.fields.get('sec-websocket-key') ?? '');
      return false;
    }
    if (script.expectsContinue && this.#failure === 'none' && !script.isEarly)
      this.#send('HTTP/1.1 100 Continue\r\n\r\n');
    if (script.isEarly) this.#plan(script);
    return true;
  }

  #onBody(text: string): void {
    if (this.#isTunnel) this.#send(text);
    else this.#body += text;
  }

  #onEnd(trailers: ReadonlyMap<string, string>): void {
    const script = this.#script;
    if (script === null || script.isTunnel) return;
    const world = this.#world;
    if (this.#body !== bodyText(script.id, false, script.requestLength))
      world.violation(`request ${script.id}: body of ${this.#body.length} instead of ${script.requestLength} bytes`);
    const sum = script.hasTrailers && script.requestFraming === 'chunked' ? String(script.id) : undefined;
    if (trailers.get('x-sum') !== sum) world.violation(`request ${script.id}: trailers differ`);
    world.trace('origin got the whole request', script.id);
    world.receivedWhole(script);
    if (!this.#isAnswered) this.#plan(script);
  }

  #tunnel(script: Script, key: string): void {
    if (this.#failure !== 'none') {
      this.#plan(script);
      return;
    }
    this.#isTunnel = true;
    this.#reader.becomeRaw();
    if (script.isConnect) {
      this.#send('HTTP/1.1 200 Connected\r\n\r\n');
      return;
    }
    const accept = Buffer.from(websocketAccept(Buffer.from(key), 0, key.length)).toString();
    const fields = `Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n`;
    this.#send(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
  }

  #plan(script: Script): void {
    this.#isAnswered = true;
    const failure = this.#failure;
    this.#world.after(script.delayMs, () => this.#answer(script, failure));
  }

  #answer(script: Script, failure: Failure): void {
    const end = this.#end as PeerEnd;
    this.#world.trace(`origin answers, failure ${failure}${end.isClosed ? ', closed' : ''}`, script.id);
    if (end.isClosed || failure === 'never') return;
    if (failure === 'resetBefore') end.reset();
    else if (failure === 'closeBefore') end.close();
    else if (failure === 'garbage') this.#send('HTTP/9 nonsense\r\n\r\n');
    else this.#respond(script, failure);
  }

  #respond(script: Script, failure: Failure): void {
    const end = this.#end as PeerEnd;
    const text = this.#responseText(script);
    for (const status of script.interims) this.#send(`HTTP/1.1 ${status} Interim\r\nX-Interim: ${script.id}\r\n\r\n`);
    if (failure === 'none') this.#send(text);
    else this.#send(text.slice(0, Math.max(1, (text.length * (script.id % 10)) / 10)));
    if (failure === 'resetMiddle') end.reset();
    else if (failure === 'closeMiddle' || script.closesAfter) end.close();
    else if (script.responseFraming === 'close' && hasResponseBody(script)) end.close();
  }

  #responseText(script: Script): string {
    const { id, status, responseLength, responseFraming } = script;
    const body = bodyText(id, true, responseLength);
    let head = `HTTP/1.1 ${status} Meant\r\nX-Id: ${id}\r\n`;
    if (!hasResponseBody(script)) {
      if (status !== 204) head += `Content-Length: ${responseLength}\r\n`;
      return `${head}\r\n`;
    }
    if (responseFraming === 'length') return `${head}Content-Length: ${responseLength}\r\n\r\n${body}`;
    if (responseFraming === 'close') return `${head}Connection: close\r\n\r\n${body}`;
    head += 'Transfer-Encoding: chunked\r\n\r\n';
    return head + chunked(body, script.hasTrailers ? `X-Sum: ${id}\r\n` : '');
  }

  #send(text: string): void {
    this.#end?.write(Buffer.from(text, 'latin1'));
  }
}
