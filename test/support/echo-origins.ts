/** Origins of both versions with the same paths: what they saw comes back; bodies, trailers, interim heads on request. */
import { createHash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2, { type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';

import { MEMORY_MIB } from './http2-client.js';

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export interface EchoOrigin {
  readonly port: number;
  /** HTTP/2 sessions, as they came. */
  readonly sessions: ServerHttp2Session[];
  /** Requests that were cut off, by path. */
  readonly aborted: string[];
  /** Requests that came, whole or not. */
  requests: number;
  /** Lets /wait read its requests. */
  release(): void;
  close(): Promise<void>;
}

function answer(origin: EchoOrigin, waiting: (() => void)[], request: Request, response: Response): void {
  origin.requests++;
  const url = new URL(request.url ?? '/', 'http://origin');
  const bytes = Number(url.searchParams.get('bytes') ?? 0);
  request.on('aborted', () => origin.aborted.push(url.pathname));
  request.on('error', () => {});
  response.on('error', () => {});
  switch (url.pathname) {
    case '/echo':
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      (request as IncomingMessage).pipe(response as ServerResponse);
      return;
    case '/hash':
      hashBody(request, response);
      return;
    case '/bytes':
      response.writeHead(200, url.searchParams.has('length') ? { 'content-length': bytes } : {});
      (response as ServerResponse).end(Buffer.alloc(bytes, 'x'));
      return;
    case '/trailers':
      trailersOf(request, response);
      return;
    case '/early':
      // Answers before the request is over, and reads no more of it.
      response.writeHead(413, { 'content-length': 5 });
      (response as ServerResponse).end('enough');
      return;
    case '/hints':
      if ('writeEarlyHints' in response) response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      break;
    case '/silent':
      return;
    case '/wait':
      waiting.push(() => hashBody(request, response));
      return;
    case '/half':
      response.writeHead(200);
      (response as ServerResponse).write('half');
      setImmediate(() => (request as IncomingMessage).destroy());
      return;
    default:
  }
  request.resume();
  request.on('end', () => {
    const seen = JSON.stringify({
      version: request.httpVersion,
      method: request.method,
      url: request.url,
      headers: request.headers,
    });
    response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'], 'x-upper': 'Yes' });
    (response as ServerResponse).end(seen);
  });
}

function hashBody(request: Request, response: Response): void {
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    response.writeHead(200);
    (response as ServerResponse).end(JSON.stringify({ bytes, sha256: hash.digest('hex') }));
  });
}

function trailersOf(request: Request, response: Response): void {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { trailer: 'x-sum' });
    (response as ServerResponse).write(JSON.stringify({ te: request.headers.te ?? null, trailers: request.trailers }));
    (response as ServerResponse).addTrailers({ 'x-sum': '42', 'grpc-status': '0' });
    (response as ServerResponse).end();
  });
}

/** version 2: prior knowledge. */
export async function echoOrigin(version: 1 | 2, settings: http2.Settings = {}): Promise<EchoOrigin> {
  const sessions: ServerHttp2Session[] = [];
  const waiting: (() => void)[] = [];
  const origin: EchoOrigin = { port: 0, sessions, aborted: [], requests: 0, release, close };
  const server: http.Server | http2.Http2Server =
    version === 1
      ? http.createServer((request, response) => answer(origin, waiting, request, response))
      : http2.createServer({ settings, maxSessionMemory: MEMORY_MIB }, (request, response) =>
          answer(origin, waiting, request, response),
        );
  if (version === 2)
    (server as http2.Http2Server).on('session', (session) => {
      sessions.push(session);
      session.on('error', () => {});
    });
  function release(): void {
    for (const read of waiting.splice(0)) read();
  }
  function close(): Promise<void> {
    for (const session of sessions) session.destroy();
    if ('closeAllConnections' in server) server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(origin, { port: (server.address() as AddressInfo).port });
}
