/** Client: sends scripted requests in one of many ways, reads the answers and judges each against its script. */
import type { Prng } from '../../engine/base/prng.js';
import type { PeerEnd, SimPeer } from './link.js';
import { MessageReader, type ReadHead } from './message-reader.js';
import { bodyText, hasResponseBody, requestText, type Script, WEBSOCKET_ACCEPT } from './script.js';
import type { World } from './world.js';

export interface Manners {
  readonly isPipelined: boolean;
  /** FIN behind the last request. */
  readonly halfCloses: boolean;
  /** Gone, or reset, after so many bytes of requests or of answers; -1 = never. */
  readonly leavesAfterSent: number;
  readonly leavesAfterRead: number;
  readonly leavesWithReset: boolean;
  /** Stops reading now and then. */
  readonly isSlow: boolean;
  /** Sent behind the last request; '' = nothing. */
  readonly malformed: string;
  readonly saysClose: boolean;
}

const MALFORMED = [
  'GET /bad HTTP/1.1\r\n\r\n',
  'GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc',
  'GET /bad HTTP/1.1\nHost: a\n\n',
  'GET /bad HTTP/1.1\r\nHost : a\r\n\r\n',
  'G\0T /bad HTTP/1.1\r\nHost: a\r\n\r\n',
];

export function newManners(scripts: readonly Script[], random: Prng): Manners {
  const requests = scripts.length;
  const endsInTunnel = scripts[requests - 1]?.isTunnel === true;
  const chance = (percent: number): boolean => random.below(100) < percent;
  const leaves = chance(15);
  const afterSent = leaves && chance(50);
  return {
    isPipelined: chance(40),
    halfCloses: chance(15),
    leavesAfterSent: afterSent ? random.below(requests * 400) : -1,
    leavesAfterRead: leaves && !afterSent ? random.below(requests * 600) : -1,
    leavesWithReset: chance(50),
    isSlow: chance(25),
    malformed: chance(12) && !endsInTunnel ? (MALFORMED[random.below(MALFORMED.length)] as string) : '',
    saysClose: chance(30),
  };
}

/** Nothing out of the ordinary. */
export const POLITE: Manners = {
  isPipelined: false,
  halfCloses: false,
  leavesAfterSent: -1,
  leavesAfterRead: -1,
  leavesWithReset: false,
  isSlow: false,
  malformed: '',
  saysClose: false,
};

interface Answer {
  status: number;
  id: string | undefined;
  body: string;
  isWhole: boolean;
  saysClose: boolean;
}

export class Client implements SimPeer {
  readonly scripts: readonly Script[];
  readonly manners: Manners;
  readonly answers: Answer[] = [];
  isClosed = false;
  hasLeft = false;
  readonly #world: World;
  readonly #reader: MessageReader;
  #end: PeerEnd | null = null;
  /** Index of the request to be sent next. */
  #next = 0;
  #sent = 0;
  #read = 0;
  #answer: Answer | null = null;
  /** Index of the request whose body waits for 100. */
  #waiting = -1;
  #tunnelText = '';

  constructor(world: World, scripts: readonly Script[], manners: Manners) {
    this.#world = world;
    this.scripts = scripts;
    this.manners = manners;
    this.#reader = new MessageReader(
      {
        onHead: (head) => this.#onHead(head),
        onBody: (text) => this.#onBody(text),
        onEnd: (trailers) => this.#onEnd(trailers),
      },
      true,
    );
  }

  // ---- sending ----------------------------------------------------------------------------------------

  onOpen(end: PeerEnd): void {
    this.#end = end;
    this.#world.trace('client opens', this.scripts[0]?.id);
    if (this.manners.isSlow) this.#pauseNowAndThen();
    this.#sendNext();
  }

  #pauseNowAndThen(): void {
    const end = this.#end as PeerEnd;
    if (end.isClosed) return;
    end.isPaused = true;
    this.#world.after(200, () => {
      end.isPaused = false;
      this.#world.after(50, () => this.#pauseNowAndThen());
    });
  }

  #sendNext(): void {
    const script = this.scripts[this.#next];
    if (script === undefined || this.hasLeft) return;
    this.#world.trace('client asks', script.id);
    const isLast = this.#next === this.scripts.length - 1;
    const { head, body } = requestText(script, isLast && this.manners.saysClose);
    this.#next++;
    this.#send(head);
    if (script.expectsContinue) {
      const index = this.#next - 1;
      this.#waiting = index;
      // A client may send the body after a while without having been asked to (RFC 9110 §10.1.1).
      this.#world.after(300, () => this.#sendBody(index, body));
      return;
    }
    this.#send(body);
    this.#sentRequest();
  }

  #sendBody(index: number, body: string): void {
    if (this.#waiting !== index) return;
    this.#waiting = -1;
    this.#send(body);
    this.#sentRequest();
  }

  #sentRequest(): void {
    if (this.#next < this.scripts.length) {
      if (this.manners.isPipelined) this.#sendNext();
      return;
    }
    if (this.manners.malformed !== '') this.#send(this.manners.malformed);
    const isTunnel = this.scripts[this.#next - 1]?.isTunnel === true;
    if (this.manners.halfCloses || isTunnel) this.#end?.end();
  }

  #send(text: string): void {
    if (this.hasLeft) return;
    const { leavesAfterSent } = this.manners;
    const room = leavesAfterSent < 0 ? text.length : Math.max(0, leavesAfterSent - this.#sent);
    this.#sent += text.length;
    this.#end?.write(Buffer.from(text.slice(0, room), 'latin1'));
    if (room < text.length) this.#leave();
  }

  #leave(): void {
    this.#world.trace('client leaves', this.scripts[0]?.id);
    this.hasLeft = true;
    if (this.manners.leavesWithReset) this.#end?.reset();
    else this.#end?.close();
  }

  // ---- reading ----------------------------------------------------------------------------------------

  onBytes(_end: PeerEnd, bytes: Uint8Array): void {
    if (this.hasLeft) return;
    this.#reader.push(bytes);
    if (this.#reader.violation !== '') this.#world.violation(`client got ${this.#reader.violation}`);
    this.#read += bytes.length;
    if (this.manners.leavesAfterRead >= 0 && this.#read > this.manners.leavesAfterRead) this.#leave();
  }

  #onHead({ start, fields }: ReadHead): boolean {
    const status = Number(start.slice(9, 12));
    this.#world.trace(`client got ${start}`, this.scripts[this.answers.length]?.id);
    const script = this.scripts[this.answers.length];
    if (status < 200 && status !== 101) {
      if (status === 100 && this.#waiting === this.answers.length && script !== undefined)
        this.#sendBody(this.#waiting, requestText(script, false).body);
      else if (status !== 100 && fields.get('x-interim') !== String(script?.id))
        this.#world.violation(`an interim response of ${fields.get('x-interim')} for ${script?.id}`);
      return true;
    }
    this.#answer = {
      status,
      id: fields.get('x-id'),
      body: '',
      isWhole: false,
      saysClose: fields.get('connection') === 'close',
    };
    this.answers.push(this.#answer);
    if (status === 101) {
      this.#answer.isWhole = true;
      this.#reader.becomeRaw();
      const accept = fields.get('sec-websocket-accept');
      if (accept !== WEBSOCKET_ACCEPT) this.#world.violation(`tunnel ${script?.id} is accepted with ${accept}`);
    }
    return script?.method !== 'HEAD';
  }

  #onBody(text: string): void {
    if (this.#answer?.status === 101) this.#tunnelText += text;
    else if (this.#answer !== null) this.#answer.body += text;
  }

  #onEnd(trailers: ReadonlyMap<string, string>): void {
    const answer = this.#answer as Answer;
    const script = this.scripts[this.answers.length - 1];
    answer.isWhole = true;
    if (script !== undefined && answer.id === String(script.id) && hasResponseBody(script)) {
      const sum = script.hasTrailers && script.responseFraming === 'chunked' ? String(script.id) : undefined;
      if (trailers.get('x-sum') !== sum) this.#world.violation(`response ${script.id}: trailers differ`);
    }
    if (this.#waiting === this.answers.length - 1) this.#waiting = -1;
    if (answer.saysClose) this.#next = this.scripts.length;
    else if (!this.manners.isPipelined || this.#next === this.answers.length) this.#sendNext();
    if (this.answers.length === this.scripts.length && this.manners.malformed === '') this.#end?.close();
  }

  onEnd(end: PeerEnd): void {
    if (this.#reader.isUntilClose && this.#answer !== null) this.#answer.isWhole = true;
    end.end();
  }
  onClosed(_end: PeerEnd, wasReset: boolean): void {
    this.#world.trace(`client is closed${wasReset ? ' by reset' : ''}`, this.scripts[0]?.id);
    this.isClosed = true;
  }

  // ---- the judge ----------------------------------------------------------------------------------------

  /** For a report: who this is and what it got. */
  describe(): string {
    const answers = this.answers.map(({ status, id, isWhole, saysClose }) => [
      status,
      id ?? 'proxy',
      isWhole,
      saysClose,
    ]);
    return JSON.stringify({ scripts: this.scripts, manners: this.manners, answers, hasLeft: this.hasLeft });
  }

  judge(): void {
    const last = this.scripts[this.scripts.length - 1] as Script;
    // The bytes meant for a tunnel that was refused are a malformed request.
    const expected = this.scripts.length + (this.manners.malformed === '' && !last.isTunnel ? 0 : 1);
    if (this.answers.length > expected) this.#world.violation(`${this.answers.length} answers to ${expected} requests`);
    this.scripts.forEach((script, index) => {
      const answer = this.answers[index];
      // A connection that ended early owes no further answers; the one that ended it is judged itself.
      const isExcused = this.scripts
        .slice(0, index)
        .some((_, i) => this.answers[i]?.isWhole !== true || this.answers[i]?.saysClose === true);
      if (answer !== undefined) this.#judgeAnswer(script, answer);
      // The reset of a response that broke off takes what was still queued of those before it.
      const isOvertaken = this.manners.isPipelined && this.scripts.slice(index).some((later) => this.#mayFail(later));
      if (answer?.isWhole !== true && !this.hasLeft && !isExcused && !isOvertaken && !this.#mayFail(script))
        this.#world.violation(`request ${script.id} was not answered${answer === undefined ? '' : ' whole'}`);
    });
    this.#judgeMalformed();
    if (last.isTunnel && this.answers[this.scripts.length - 1]?.status === 101) this.#judgeTunnel(last);
  }

  #mayFail(script: Script): boolean {
    const { halfCloses, isSlow } = this.manners;
    // An early answer may be lost behind the reset that the rest of the request gets.
    if (this.#world.mayFail(script) || script.isEarly) return true;
    // A drain closes what has been quiet for a second, also when the answer is still on its way to a slow client.
    if (this.#world.climate.drains && isSlow) return true;
    // A client that has ended its side is waited for a second.
    const isLate =
      isSlow || script.delayMs >= 400 || !this.#world.isQuick || this.#world.climate.badEndpoint === 'silent';
    return (halfCloses || script.isTunnel) && isLate;
  }

  #judgeAnswer(script: Script, answer: Answer): void {
    const world = this.#world;
    if (answer.id === undefined) {
      if (answer.status === 101) return;
      if (!this.#mayFail(script)) world.violation(`request ${script.id} was answered ${answer.status} by the proxy`);
      if (answer.status < 400) world.violation(`request ${script.id} got ${answer.status} from nobody`);
      return;
    }
    if (answer.id !== String(script.id)) world.violation(`request ${script.id} got the answer of ${answer.id}`);
    if (answer.status !== script.status) world.violation(`request ${script.id} got ${answer.status}`);
    const meant = hasResponseBody(script) ? bodyText(script.id, true, script.responseLength) : '';
    // Nobody can see that a body which lasts until the end of the connection was cut by a FIN.
    const mayBeCut = script.responseFraming === 'close' && script.failures.includes('closeMiddle');
    const isRight = answer.isWhole && !mayBeCut ? answer.body === meant : meant.startsWith(answer.body);
    if (!isRight) world.violation(`response ${script.id}: ${answer.body.length} of ${meant.length} bytes, or others`);
  }

  #judgeMalformed(): void {
    const answer = this.answers[this.scripts.length];
    if (answer === undefined) return;
    if (answer.id !== undefined || answer.status < 400 || answer.status > 431)
      this.#world.violation(`a malformed request got ${answer.status}`);
  }

  #judgeTunnel(script: Script): void {
    const meant = bodyText(script.id, false, script.requestLength);
    const isRight =
      this.hasLeft || this.#mayFail(script) ? meant.startsWith(this.#tunnelText) : meant === this.#tunnelText;
    if (!isRight)
      this.#world.violation(`tunnel ${script.id}: ${this.#tunnelText.length} of ${meant.length} bytes came back`);
  }
}
