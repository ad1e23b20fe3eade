/** Which Envoy configs load, and why the others are refused: `npm run configs -- [--quiet] [DIRECTORY]`. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { loadConfig } from '../engine/control/load.js';
import { packageRoot } from '../engine/io/addon.js';

const args = process.argv.slice(2);
const isQuiet = args.includes('--quiet');
const conformance = process.env['MILLRACE_CONFORMANCE'] ?? join(packageRoot(), '..', 'shared', 'conformance');
const root = args.find((arg) => !arg.startsWith('--')) ?? join(conformance, 'envoy-configs');

function files(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const path = join(directory, name);
      return statSync(path).isDirectory() ? files(path) : /\.(ya?ml|json)$/.test(name) ? [path] : [];
    });
}

if (!existsSync(root)) console.log(`no configs: ${root} does not exist; name a directory or set MILLRACE_CONFORMANCE`);
else {
  const rows = files(root).map((path) => {
    const loaded = loadConfig({ path, text: null, name: path, allowsUnknownFields: false, environment: process.env });
    const errors = 'problems' in loaded ? loaded.problems.filter((problem) => problem.severity === 'error') : [];
    return { name: relative(root, path), errors };
  });
  const width = Math.max(...rows.map(({ name }) => name.length));
  if (!isQuiet)
    for (const { name, errors } of rows) {
      console.log(`${name.padEnd(width)}  ${errors.length === 0 ? 'loads' : 'refused'}`);
      for (const { line, column, path, message } of errors)
        console.log(`${' '.repeat(width)}    ${line}:${column} ${path}: ${message}`);
    }
  const good = rows.filter(({ errors }) => errors.length === 0).length;
  console.log(`${rows.length} configs: ${good} load, ${rows.length - good} refused with reasons`);
}
