/** Prints every file of the engine with its first sentence: `npm run map`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';

function print(directory: string): void {
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) print(path);
    else if (name.endsWith('.ts')) {
      const first =
        readFileSync(path, 'utf8')
          .split('\n')
          .find((line) => line.startsWith('/**')) ?? '';
      console.log(
        `${relative(packageRoot(), path).padEnd(44)} ${first.replace(/^\/\*\* ?/, '').replace(/ ?\*\/$/, '')}`,
      );
    }
  }
}

print(join(packageRoot(), 'engine'));
