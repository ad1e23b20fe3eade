/** Load for as long as asked, with mixed requests: wrk where it is installed, else autocannon. */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import autocannon from 'autocannon';

export interface LoadRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
}

export interface LoadResult {
  readonly tool: string;
  readonly requests: number;
  /** Socket errors, timeouts, and statuses other than 2xx and 3xx. */
  readonly failed: number;
}

/** directory: for wrk's script. */
export function load(
  port: number,
  seconds: number,
  connections: number,
  requests: readonly LoadRequest[],
  directory: string,
): Promise<LoadResult> {
  const hasWrk = spawnSync('wrk', ['-v']).error === undefined;
  return hasWrk
    ? wrk(port, seconds, connections, requests, directory)
    : withAutocannon(port, seconds, connections, requests);
}

/** A file for wrk: the requests in turn, each made once. */
function script(requests: readonly LoadRequest[]): string {
  const lines = requests.map(({ method, path, body }) => {
    const content = body === undefined ? 'nil' : `string.rep("x", ${body.length})`;
    return `made[#made + 1] = wrk.format("${method}", "${path}", nil, ${content})`;
  });
  return `local made, at = {}, 0
function init(args)
${lines.join('\n')}
end
function request()
at = at % #made + 1
return made[at]
end
`;
}

async function wrk(
  port: number,
  seconds: number,
  connections: number,
  requests: readonly LoadRequest[],
  directory: string,
): Promise<LoadResult> {
  const path = join(directory, 'mixed.lua');
  writeFileSync(path, script(requests));
  const args = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '30s', '-s', path];
  const child = spawn('wrk', [...args, `http://127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`wrk exit ${String(code)}: ${text}`);
  const numbers = (pattern: RegExp): number =>
    (pattern.exec(text)?.slice(1) ?? []).reduce((total, each) => total + Number(each), 0);
  return {
    tool: 'wrk',
    requests: numbers(/(\d+) requests in/),
    failed:
      numbers(/Non-2xx or 3xx responses: (\d+)/) +
      numbers(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/),
  };
}

async function withAutocannon(
  port: number,
  seconds: number,
  connections: number,
  requests: readonly LoadRequest[],
): Promise<LoadResult> {
  const url = `http://127.0.0.1:${port}`;
  const result = await autocannon({ url, connections, duration: seconds, timeout: 30, requests: [...requests] });
  return {
    tool: 'autocannon',
    requests: result.requests.total,
    failed: result.errors + result.timeouts + result.non2xx,
  };
}
