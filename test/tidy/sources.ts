/** The repository's sources as the house rules see them: files, lines, imports, functions. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';

export const ROOT = packageRoot();

export interface Source {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

export interface Import {
  /** Path of the imported file, relative to the root, ending in .ts. */
  readonly path: string;
  /** The whole statement, on one line. */
  readonly statement: string;
}

export interface FunctionSpan {
  readonly name: string;
  readonly lineCount: number;
}

function walk(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const path = join(directory, name);
      return statSync(path).isDirectory() ? walk(path) : path.endsWith('.ts') ? [path] : [];
    });
}

function read(directory: string): Source[] {
  return walk(join(ROOT, directory)).map((path) => {
    const text = readFileSync(path, 'utf8');
    return { path: relative(ROOT, path), text, lines: text.split('\n') };
  });
}

export const ENGINE: readonly Source[] = read('engine');
export const ALL: readonly Source[] = [...ENGINE, ...['test', 'bench', 'scenarios'].flatMap(read)];

/** Code without comments: what a rule about behaviour looks at. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  for (const match of source.text.matchAll(/^(?:import|export)\b[^;']*?from '(\.[^']+)';|^import '(\.[^']+)';/gm)) {
    const target = resolve(ROOT, dirname(source.path), (match[1] ?? match[2]) as string);
    found.push({ path: relative(ROOT, target).replace(/\.js$/, '.ts'), statement: match[0].replace(/\s+/g, ' ') });
  }
  return found;
}

/** Functions and methods with their length; relies on the formatter: a body ends where its indent comes back. */
export function functionsOf(source: Source): FunctionSpan[] {
  const start =
    /^(\s*)(?:export (?:default )?)?(?:(?:private|protected|public|static|override|async|get|set) )*(?:function\*? ?(\w*)|(constructor|#?\w+)(?=(?:<.*>)?\())/;
  const arrow = /^(\s*)(?:export )?(?:const |readonly |static )*(#?\w+)(?:: [^=]+)? = (?:async )?(?:\(|\w+ =>)/;
  const found: FunctionSpan[] = [];
  source.lines.forEach((line, at) => {
    const match = start.exec(line) ?? arrow.exec(line);
    if (match === null) return;
    const name = match[2] || match[3] || 'function';
    if (/^(if|for|while|switch|catch|return|throw|await|void|new|super|do|else|typeof)$/.test(name)) return;
    const indent = match[1] as string;
    if (!/\{$|\($/.test(line)) return;
    const end = source.lines.findIndex((later, index) => index > at && later.startsWith(`${indent}}`));
    if (end < 0) return;
    // A call or a signature spread over lines ends in another bracket before any body begins.
    const closed = source.lines.findIndex((later, index) => index > at && later.startsWith(`${indent})`));
    if (line.endsWith('(') && (closed < 0 || !/\{$/.test(source.lines[closed] as string))) return;
    found.push({ name, lineCount: end - at + 1 });
  });
  return found;
}
