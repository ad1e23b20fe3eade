/** A proxy made of a package, as a process: node-peer.js NAME LISTEN_PORT ORIGIN_PORT. */
import http from 'node:http';

const [name = '', port = '', origin = ''] = process.argv.slice(2);
const base = `http://127.0.0.1:${origin}`;

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

function listen(handler: Handler): void {
  http.createServer({ keepAliveTimeout: 60_000 }, handler).listen(Number(port), '127.0.0.1');
}

const PEERS: Readonly<Record<string, () => Promise<void>>> = {
  async 'http-proxy-3'() {
    const { createProxyServer } = await import('http-proxy-3');
    const agent = new http.Agent({ keepAlive: true });
    const proxy = createProxyServer({ target: base, agent, xfwd: true });
    proxy.on('error', (_error, _request, response) => response.destroy());
    listen((request, response) => proxy.web(request, response));
  },
  async 'fast-proxy'() {
    const { default: fastProxy } = await import('fast-proxy');
    const { proxy } = fastProxy({ base });
    listen((request, response) => proxy(request, response, request.url ?? '/', {}));
  },
  async '@fastify/http-proxy'() {
    const { default: fastify } = await import('fastify');
    const { default: httpProxy } = await import('@fastify/http-proxy');
    const app = fastify({ keepAliveTimeout: 60_000 });
    await app.register(httpProxy, { upstream: base });
    await app.listen({ port: Number(port), host: '127.0.0.1' });
  },
};

const start = PEERS[name];
if (start === undefined) throw new Error(`no peer ${name}`);
await start();
