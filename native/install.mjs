/** Install script: builds the addon where it can be built; anything else is one line and the node transport. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { headersPrefix } from './headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function loads() {
  try {
    require('node-gyp-build')(root);
    return true;
  } catch {
    return false;
  }
}

function without(reason) {
  console.log(`millrace: addon not built (${reason}); the node transport will be used`);
  process.exit(0);
}

function isOnPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Looked for first: node-gyp says the same in forty lines, after it has downloaded headers for nothing. */
function missingTools() {
  const { CXX, PYTHON, npm_config_python } = process.env;
  const missing = [];
  if (!CXX && !isOnPath('g++') && !isOnPath('c++')) missing.push('g++');
  if (!isOnPath('make')) missing.push('make');
  if (!PYTHON && !npm_config_python && !isOnPath('python3') && !isOnPath('python')) missing.push('python3');
  return missing;
}

/** What of node-gyp's output says what went wrong. */
function reasonIn(output, status) {
  if (output.includes('got an error, rolling back install'))
    return `no headers beside ${process.execPath}, and they can't be downloaded`;
  const lines = output.split('\n').map((line) => line.replace(/^(gyp|npm) (ERR!|error) /, '').trim());
  const line =
    lines.find((each) => /\berror: /.test(each)) ??
    lines.find((each) => /^stack Error: /.test(each))?.slice('stack Error: '.length) ??
    `node-gyp exit ${status}; MILLRACE_BUILD_LOG=1 shows its output`;
  return line.slice(0, 160);
}

function build() {
  const script = process.env.npm_config_node_gyp;
  const command = script ? [process.execPath, script] : ['node-gyp'];
  const prefix = headersPrefix();
  const args = [...command.slice(1), 'rebuild', '--jobs', '2'];
  if (prefix !== null) args.push(`--nodedir=${prefix}`);
  // Whatever npm was told: a quiet node-gyp could not say what is wrong.
  const env = { ...process.env, npm_config_loglevel: 'info' };
  const built = spawnSync(command[0], args, { cwd: root, encoding: 'utf8', env });
  if (built.error) without(`node-gyp: ${built.error.message}`);
  if (built.status === 0) return;
  const output = `${built.stdout}${built.stderr}`;
  if (process.env.MILLRACE_BUILD_LOG) console.error(output);
  without(reasonIn(output, built.status));
}

if (process.platform !== 'linux') without(`${process.platform} has no epoll`);
// In a checkout the sources may be newer than the binary: build. In a package prebuilt binaries are there.
const isCheckout = existsSync(join(root, 'engine'));
if (!isCheckout && loads()) process.exit(0);
const missing = missingTools();
if (missing.length > 0) without(`no ${missing.join(', ')} on PATH`);
build();
if (!loads()) without('the built addon does not load');
