/** Script: what one request and its answer are meant to be; client, origin and oracle read the same one. */
import type { Prng } from '../../engine/base/prng.js';

export type Failure = 'none' | 'resetBefore' | 'closeBefore' | 'resetMiddle' | 'closeMiddle' | 'never' | 'garbage';

export interface Script {
  readonly id: number;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly requestLength: number;
  readonly requestFraming: 'none' | 'length' | 'chunked';
  readonly expectsContinue: boolean;
  /** Upgrade, or extended CONNECT: the answer is 101, then the origin echoes. */
  readonly isTunnel: boolean;
  /** A tunnel by CONNECT instead, and 200. */
  readonly isConnect: boolean;
  readonly status: 200 | 204 | 304 | 404 | 500;
  readonly responseLength: number;
  readonly responseFraming: 'length' | 'chunked' | 'close';
  readonly hasTrailers: boolean;
  readonly interims: readonly number[];
  /** The origin answers on the head, without waiting for the body. */
  readonly isEarly: boolean;
  readonly delayMs: number;
  /** After a whole answer: the origin closes without having said so. */
  readonly closesAfter: boolean;
  /** By attempt; the last one holds for every further attempt. */
  readonly failures: readonly Failure[];
}

export interface Weather {
  /** Origins fail in all their ways. */
  readonly hasFailures: boolean;
  /** Origins close kept-alive connections without saying so. */
  readonly hasRaces: boolean;
}

/** A GET that is answered 200 with 100 bytes. */
export const PLAIN: Script = {
  id: 1,
  method: 'GET',
  requestLength: 0,
  requestFraming: 'none',
  expectsContinue: false,
  isTunnel: false,
  isConnect: false,
  status: 200,
  responseLength: 100,
  responseFraming: 'length',
  hasTrailers: false,
  interims: [],
  isEarly: false,
  delayMs: 0,
  closesAfter: false,
  failures: ['none'],
};

const LENGTHS = [0, 1, 5, 100, 100, 1000, 5000, 40000];

export function newScript(id: number, weather: Weather, mayTunnel: boolean, random: Prng): Script {
  const pick = <T>(choices: readonly T[]): T => choices[random.below(choices.length)] as T;
  const chance = (percent: number): boolean => random.below(100) < percent;
  const isTunnel = mayTunnel && chance(15);
  const method = isTunnel ? 'GET' : pick(['GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE'] as const);
  const hasBody = method === 'POST' || method === 'PUT';
  const requestFraming = hasBody ? pick(['length', 'chunked'] as const) : 'none';
  const failure = (): Failure =>
    weather.hasFailures && chance(40)
      ? pick(['resetBefore', 'closeBefore', 'resetMiddle', 'closeMiddle', 'never', 'garbage'] as const)
      : 'none';
  return {
    id,
    method,
    requestLength: hasBody || isTunnel ? pick(LENGTHS) : 0,
    requestFraming,
    expectsContinue: hasBody && chance(15),
    isTunnel,
    isConnect: false,
    status: pick([200, 200, 200, 200, 404, 500, 204, 304] as const),
    responseLength: pick(LENGTHS),
    responseFraming: pick(['length', 'length', 'chunked', 'chunked', 'close'] as const),
    hasTrailers: chance(20),
    interims: chance(10) ? [103] : chance(5) ? [102, 103] : [],
    isEarly: hasBody && chance(8),
    delayMs: pick([0, 0, 0, 3, 20, 20, 400]),
    closesAfter: weather.hasRaces && chance(25),
    failures: [failure(), failure()],
  };
}

export function failureAt(script: Script, attempt: number): Failure {
  return script.failures[Math.min(attempt, script.failures.length - 1)] as Failure;
}

/** Bodies: every byte depends on the message, the direction and its place. */
export function bodyText(id: number, isResponse: boolean, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  const start = id * 31 + (isResponse ? 13 : 0);
  for (let i = 0; i < length; i++) bytes[i] = 97 + ((start + i * 7 + (i >> 7)) % 26);
  return bytes.toString('latin1');
}

/** A body as chunks of uneven sizes, with or without trailers. */
export function chunked(text: string, trailers: string): string {
  let out = '';
  for (let at = 0, size = 1; at < text.length; at += size, size = (size * 7) % 6007) {
    const piece = text.slice(at, at + size);
    out += `${piece.length.toString(16)}\r\n${piece}\r\n`;
  }
  return `${out}0\r\n${trailers}\r\n`;
}

/** The example of RFC 6455 §1.3, and what it asks for. */
export const WEBSOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const WEBSOCKET_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Request bytes: the head, and the body when it may follow at once. */
export function requestText(script: Script, isLast: boolean): { head: string; body: string } {
  const { id, method, requestFraming, requestLength } = script;
  const body = bodyText(id, false, requestLength);
  let head = `${method} /r/${id}?q=1 HTTP/1.1\r\nHost: sim.example\r\nX-Id: ${id}\r\n`;
  if (script.isTunnel) {
    head += `Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${WEBSOCKET_KEY}\r\n`;
    return { head: `${head}\r\n`, body };
  }
  if (script.expectsContinue) head += 'Expect: 100-continue\r\n';
  if (isLast) head += 'Connection: close\r\n';
  if (requestFraming === 'length') return { head: `${head}Content-Length: ${requestLength}\r\n\r\n`, body };
  if (requestFraming === 'none') return { head: `${head}\r\n`, body: '' };
  const trailers = script.hasTrailers ? `X-Sum: ${id}\r\n` : '';
  return { head: `${head}Transfer-Encoding: chunked\r\n\r\n`, body: chunked(body, trailers) };
}

export function hasResponseBody(script: Script): boolean {
  return script.method !== 'HEAD' && script.status !== 204 && script.status !== 304;
}
