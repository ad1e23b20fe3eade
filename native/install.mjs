/** Install script: builds the addon where it can be built; anything else is one line and the node transport. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

if (process.platform !== 'linux') without(`${process.platform} has no epoll`);
// In a checkout the sources may be newer than the binary: build. In a package prebuilt binaries are there.
const isCheckout = existsSync(join(root, 'engine'));
if (!isCheckout && loads()) process.exit(0);

const script = process.env.npm_config_node_gyp;
const command = script ? [process.execPath, script] : ['node-gyp'];
const args = [...command.slice(1), 'rebuild', '--silent', '--jobs', '2'];
const built = spawnSync(command[0], args, { cwd: root, encoding: 'utf8' });
if (built.error) without(`node-gyp: ${built.error.message}`);
if (built.status !== 0) {
  const lines = `${built.stdout}${built.stderr}`.split('\n');
  const reason =
    lines.find((line) => /error|not found|not ok|Could not/i.test(line)) ?? `node-gyp exit ${built.status}`;
  if (process.env.MILLRACE_BUILD_LOG) console.error(lines.join('\n'));
  without(
    reason
      .replace(/^gyp ERR! /, '')
      .trim()
      .slice(0, 160),
  );
}
if (!loads()) without('the built addon does not load');
