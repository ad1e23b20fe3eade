/** Quickstart: demo origins in this process, the proxy in front of them as a child, and a table of what to try. */
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';

const ORIGINS = [
  { name: 'api-1', port: 8091 },
  { name: 'api-2', port: 8092 },
  { name: 'web-1', port: 8093 },
  { name: 'web-2', port: 8094 },
  { name: 'web-3', port: 8095 },
];

const TRY = [
  ['curl http://127.0.0.1:8080/', 'the web cluster: round robin, web-1 twice as often'],
  ['curl -i http://127.0.0.1:8080/api/users', 'the api cluster: least request, /api taken off'],
  ['curl http://127.0.0.1:8080/shop', 'one request in ten to the api cluster'],
  ['curl -i http://127.0.0.1:8080/old', 'a redirect'],
  ['curl http://127.0.0.1:8080/hello', 'answered by the proxy itself'],
  ['curl http://127.0.0.1:9901/clusters', 'admin: endpoints and their counters'],
  ["curl 'http://127.0.0.1:9901/stats?usedonly'", 'admin: statistics'],
] as const;

/** Says who it is and what it was asked. */
function startOrigin(name: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(
      `${JSON.stringify({ origin: name, method: request.method, path: request.url, headers: request.headers }, null, 2)}\n`,
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      reject(isTaken ? new Error(`127.0.0.1:${port} (demo origin ${name}) is in use by another process`) : error);
    });
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function start(): Promise<void> {
  const servers: Server[] = [];
  for (const { name, port } of ORIGINS) servers.push(await startOrigin(name, port));
  const root = packageRoot();
  const config = join(root, 'scenarios', 'quickstart', 'envoy.yaml');
  const main = new URL('../../engine/main.js', import.meta.url).pathname;
  const args = [main, '-c', config, '--watch', '--drain-time-s', '1', ...process.argv.slice(2)];
  const proxy = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'pipe'],
    // In a group of its own: Ctrl-C reaches this process, which passes it on once, however often npm repeats it.
    detached: true,
  });
  let isShown = false;
  proxy.stderr.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk);
    if (isShown || !chunk.includes('admin on')) return;
    isShown = true;
    const width = Math.max(...TRY.map(([command]) => command.length));
    const lines = TRY.map(([command, what]) => `  ${command.padEnd(width)}   ${what}`);
    process.stdout.write(
      `\nmillrace is up in front of ${ORIGINS.length} demo origins. Try:\n\n${lines.join('\n')}\n\nEdit ${config}: it is reloaded when saved. Ctrl-C ends.\n\n`,
    );
  });
  proxy.on('exit', (code) => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    process.exitCode = code ?? 1;
  });
  let isStopping = false;
  const stop = (): void => {
    if (!isStopping) proxy.kill('SIGTERM');
    isStopping = true;
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  process.on('exit', () => proxy.kill('SIGKILL'));
}

start().catch((error: unknown) => {
  process.stderr.write(`quickstart: ${error instanceof Error ? error.message : String(error)}\n`);
  // Origins that listen already would keep the process.
  process.exit(1);
});
