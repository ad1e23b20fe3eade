/** Loading: options to document: a file, inline YAML, or the form without a file; validated whole. */
import { readFileSync, statSync } from 'node:fs';
import type { Problem } from '../fault/problem.js';
import type { ConfigSource } from '../options.js';
import { checkNodeStaples, checkNodeTls } from './check-node-tls.js';
import { checkUws } from './check-uws.js';
import { type Compiled, compile } from './compile.js';
import type { Resolved } from './compile-clusters.js';
import { DocumentReader, type Value } from './document.js';
import { PlanRegistry } from './registry.js';
import { Bootstrap } from './schema-bootstrap.js';
import { type FileContents, SecretFiles } from './secret-files.js';

export interface LoadedConfig {
  readonly reader: DocumentReader;
  readonly bootstrap: Value;
  /** As it was read, without what --config-yaml lays over it. */
  readonly document: string;
  /** The text that was read: what a change is measured against, and what /config_dump shows. */
  readonly text: string;
  readonly warnings: readonly Problem[];
  readonly files: SecretFiles;
}

export type Loaded = LoadedConfig | { readonly problems: readonly Problem[] };

/** Never throws: what is wrong is in the problems. */
export function loadConfig(source: ConfigSource): Loaded {
  const text = readSource(source);
  return typeof text === 'string' ? loadText(source, text) : { problems: [text] };
}

/** The same document, with what is in its certificate files by now. */
export function renewConfig(source: ConfigSource, config: LoadedConfig): Loaded {
  return loadText(source, config.document);
}

export interface PartlyRenewed {
  /** With what could be taken; null = nothing. */
  readonly config: LoadedConfig | null;
  readonly refused: readonly { readonly paths: readonly string[]; readonly problems: readonly Problem[] }[];
}

/** The same, secret by secret, where not all of them are good: those that are not stay as they were. */
export function renewInParts(source: ConfigSource, config: LoadedConfig): PartlyRenewed {
  const { files, document } = config;
  const changed = files.changed();
  const refused: { paths: readonly string[]; problems: readonly Problem[] }[] = [];
  for (const secret of changed) {
    const others = files.paths.filter((path) => !secret.has(path));
    const loaded = loadText(source, document, files.contentsOf(others));
    if ('problems' in loaded) refused.push({ paths: [...secret].sort(), problems: loaded.problems });
  }
  if (refused.length === changed.length) return { config: null, refused };
  const loaded = loadText(source, document, files.contentsOf(refused.flatMap(({ paths }) => paths)));
  return { config: 'problems' in loaded ? null : loaded, refused };
}

function loadText(source: ConfigSource, text: string, kept: FileContents = new Map()): Loaded {
  const reader = new DocumentReader(text, {
    file: source.name,
    allowsUnknownFields: source.allowsUnknownFields,
    environment: source.environment,
    ...(source.overlay === undefined ? {} : { overlay: source.overlay }),
  });
  const bootstrap = reader.read(Bootstrap);
  if (bootstrap === null) return { problems: reader.sorted() };
  const files = new SecretFiles(kept);
  try {
    // A trial run finds what only the compiler sees, also in what is left of a document with mistakes; its numbers
    // are thrown away.
    const { plan } = compile(reader, bootstrap, new PlanRegistry(), new Map(), 0, files);
    if (source.ingress === 'uws') checkUws(reader, bootstrap);
    if (source.transport === 'node') checkNodeTls(reader, bootstrap);
    if (source.transport === 'node' && !reader.hasErrors) checkNodeStaples(reader, bootstrap, plan.listeners);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!reader.hasErrors) return { problems: [...reader.sorted(), fileProblem(source.name, message)] };
  }
  if (reader.hasErrors) return { problems: reader.sorted() };
  // Plans are made of it again and again, whenever DNS has news: what is to say has been said.
  const warnings = reader.sorted();
  reader.isMuted = true;
  const whole = source.overlay === undefined ? text : `${text}\n# ${source.overlay.name}\n${source.overlay.text}`;
  return { reader, bootstrap, document: text, text: whole, warnings, files };
}

/** The plan of a config that loaded. */
export function planOf(
  config: LoadedConfig,
  registry: PlanRegistry,
  resolved: ReadonlyMap<string, Resolved>,
  version: number,
): Compiled {
  return compile(config.reader, config.bootstrap, registry, resolved, version, config.files);
}

function readSource(source: ConfigSource): string | Problem {
  if (source.text !== null) return source.text;
  const path = source.path as string;
  try {
    if (statSync(path).isDirectory()) return fileProblem(path, 'is a directory: name the bootstrap file in it');
    const bytes = readFileSync(path);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return fileProblem(path, 'does not exist');
    if (code === 'ENOTDIR') return fileProblem(path, 'does not exist: a part of the path is no directory');
    if (code === 'EACCES' || code === 'EPERM') return fileProblem(path, 'may not be read: no permission');
    if (error instanceof TypeError) return fileProblem(path, 'is not UTF-8 text');
    return fileProblem(path, error instanceof Error ? error.message : String(error));
  }
}

function fileProblem(path: string, message: string): Problem {
  return { severity: 'error', path: '', message, file: path, line: 0, column: 0, source: '' };
}
