/** PageServer: one page for a browser, whose script posts what it found; for end-to-end tests. */
import http from 'node:http';

/** page: HTML. onTold: what a POST of JSON holds, whatever its path. */
export function newPageServer<Told>(page: string, onTold: (told: Told) => void): http.Server {
  return http.createServer((request, response) => {
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html').end(page);
      return;
    }
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      response.end();
      onTold(JSON.parse(body) as Told);
    });
  });
}
