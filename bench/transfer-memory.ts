/** Memory during big transfers: 1 GiB up to a slow origin and 1 GiB down to a slow client, peak above idle. */
import net from 'node:net';
import { bootstrap } from '../test/support/bootstrap.js';
import { freePort } from '../test/support/free-port.js';
import { ProxyProcess } from '../test/support/proxy-process.js';
import { residentKiB } from './proxy-memory.js';

const BYTES = 2 ** 30;
const WARM_UP_BYTES = 2 ** 20;
const BLOCK = Buffer.alloc(64 * 1024, 'b');
/** The slow side takes this much and then pauses: about 100 MiB a second, a tenth of what the other side can give. */
const BURST_BYTES = 1024 * 1024;
const PAUSE_MS = 10;
const SAMPLE_MS = 20;

/** Reads slowly; onBytes is told of every chunk. */
function readSlowly(socket: net.Socket, onBytes: (chunk: Buffer) => void): void {
  let burst = 0;
  socket.on('data', (chunk: Buffer) => {
    onBytes(chunk);
    burst += chunk.length;
    if (burst < BURST_BYTES) return;
    burst = 0;
    socket.pause();
    setTimeout(() => socket.resume(), PAUSE_MS);
  });
  socket.on('error', () => {});
}

/** As fast as the socket takes it. */
function writeAll(socket: net.Socket, bytes: number): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const part = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= part.length;
      if (!socket.write(part)) break;
    }
  };
  socket.on('drain', more);
  more();
}

/** Answers GET /<bytes> with a body of that size, and takes the body of a POST slowly. */
function onOriginConnection(socket: net.Socket): void {
  let head = '';
  let bodyLeft = -1;
  const take = (chunk: Buffer): void => {
    let body = chunk.length;
    if (bodyLeft < 0) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (head.startsWith('GET')) {
        const bytes = Number(/^GET \/(\d+)/.exec(head)?.[1]);
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
        writeAll(socket, bytes);
        head = '';
        return;
      }
      bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
      body = head.length - end - 4;
    }
    bodyLeft -= body;
    if (bodyLeft > 0) return;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    head = '';
    bodyLeft = -1;
  };
  readSlowly(socket, take);
}

/** Resolves with how many bytes of body came back. */
function transfer(port: number, kind: 'upload' | 'download', bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let received = 0;
    let start = '';
    readSlowly(socket, (chunk) => {
      received += chunk.length;
      if (start.length < 4096) start += chunk.toString('latin1');
      const headBytes = start.indexOf('\r\n\r\n') + 4;
      if (headBytes < 4) return;
      if (!start.startsWith('HTTP/1.1 200 ')) reject(new Error(start.slice(0, headBytes)));
      if (received - headBytes < (kind === 'upload' ? 0 : bytes)) return;
      socket.destroy();
      resolve(received - headBytes);
    });
    socket.once('close', () => reject(new Error(`the ${kind} ended after ${received} bytes`)));
    const line = kind === 'upload' ? `POST / HTTP/1.1\r\nContent-Length: ${bytes}` : `GET /${bytes} HTTP/1.1`;
    socket.write(`${line}\r\nHost: a\r\n\r\n`);
    if (kind === 'upload') writeAll(socket, bytes);
  });
}

async function peakAboveIdle(proxy: ProxyProcess, kind: 'upload' | 'download'): Promise<string> {
  await transfer(proxy.port, kind, WARM_UP_BYTES);
  const idle = residentKiB(proxy);
  let peak = idle;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentKiB(proxy));
  }, SAMPLE_MS);
  await transfer(proxy.port, kind, BYTES);
  clearInterval(timer);
  return `1 GiB ${kind}: peak ${((peak - idle) / 1024).toFixed(1)} MiB above ${(idle / 1024).toFixed(0)} MiB idle`;
}

/** One line for the table of figures. */
export async function transferMemory(): Promise<string> {
  const origin = net.createServer(onOriginConnection);
  const originPort = await freePort();
  await new Promise<void>((resolve) => origin.listen(originPort, '127.0.0.1', resolve));
  const config = bootstrap({
    origins: [originPort],
    routes: [{ match: { prefix: '/' }, route: { cluster: 'origin', timeout: '0s' } }],
  });
  const results: string[] = [];
  for (const kind of ['upload', 'download'] as const) {
    const proxy = await ProxyProcess.start(config, { args: ['--concurrency', '1'] });
    results.push(await peakAboveIdle(proxy, kind));
    await proxy.stop();
  }
  origin.close();
  return results.join('; ');
}
