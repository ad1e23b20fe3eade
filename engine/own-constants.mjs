/**
 * Gives every compiled module of the engine its own constants, after `tsc`.
 *
 * V8 folds a constant that a module neither imports nor exports. One that it does is read from a cell at each use, checked
 * for being initialised and for being a small integer, and multiplied by with an overflow check. So that the sources can
 * say `import { FIELD_REMOVED }` all the same, an imported constant is bound to one of the module, and an exported one is
 * exported under a second name. Lines stay where they are.
 *
 * Modules that import each other would find such a constant uninitialised when they begin; there are none.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OWN = '$own';
const CONSTANT = /^[A-Z][A-Z0-9_]*$/;

/** The module's text; null when nothing is to be done, or was done before. */
export function withOwnConstants(text) {
  if (text.includes(OWN)) return null;
  const withImports = text.replace(/^import \{([^}]*)\} from ('\.[^']*');/gm, (line, list, from) => {
    const bound = [];
    const names = list.split(',').map((each) => each.trim());
    const renamed = names.map((each) => {
      const [name, local = name] = each.split(/\s+as\s+/);
      if (!CONSTANT.test(name)) return each;
      bound.push(`const ${local} = ${local}${OWN};`);
      return `${name} as ${local}${OWN}`;
    });
    return bound.length === 0 ? line : `import { ${renamed.join(', ')} } from ${from}; ${bound.join(' ')}`;
  });
  const exported = [];
  const own = withImports.replace(/^export const ([A-Z][A-Z0-9_]*) =/gm, (_, name) => {
    exported.push(name);
    return `const ${name} =`;
  });
  const exports = exported.map((name) => `const ${name}${OWN} = ${name};\nexport { ${name}${OWN} as ${name} };\n`);
  const result = own.replace(/(\n?\/\/# sourceMappingURL=[^\n]*\n?)?$/, (map) => `\n${exports.join('')}${map.trim()}`);
  return own === text ? null : result;
}

function main() {
  const directory = fileURLToPath(new URL('../dist/engine', import.meta.url));
  for (const name of readdirSync(directory, { recursive: true })) {
    if (!name.endsWith('.js')) continue;
    const path = join(directory, name);
    const text = withOwnConstants(readFileSync(path, 'utf8'));
    if (text !== null) writeFileSync(path, text);
  }
}

if (process.argv[1]?.endsWith('own-constants.mjs') === true) main();
