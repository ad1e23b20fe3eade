/** Puts the addon for this platform into prebuilds/, where node-gyp-build finds it in an installed package. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { headersPrefix } from './headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const prefix = headersPrefix();
const env = prefix === null ? process.env : { ...process.env, npm_config_nodedir: prefix };
rmSync(new URL('../prebuilds', import.meta.url), { recursive: true, force: true });
// The C library is in the name: a binary for glibc must not be tried on musl.
const args = ['--napi', '--strip', '--tag-libc', '--quiet'];
const built = spawnSync('prebuildify', args, { cwd: root, env, stdio: 'inherit' });
if (built.error) console.error(`prebuildify: ${built.error.message}`);
process.exitCode = built.status ?? 1;
