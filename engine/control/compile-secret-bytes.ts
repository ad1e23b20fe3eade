/** Data sources of secrets: bytes from files, variables and the config itself; what is watched for them. */
import { statSync } from 'node:fs';
import type { SecretDocument } from './compile-secrets.js';
import { fieldOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { SecretFiles } from './secret-files.js';

/** What compiling TLS needs. */
export interface TlsCompileContext {
  readonly reader: DocumentReader;
  readonly files: SecretFiles;
  /** The file of secrets that is being read; '' = the config itself. */
  readonly within: string;
  /** static_resources.secrets by name. */
  readonly secrets: ReadonlyMap<string, Value>;
  /** Files of secrets that sds_config names, by path; null = it can't be read. Filled as they are met. */
  readonly documents: Map<string, SecretDocument | null>;
  readonly wallMs: number;
}

/** Bytes of a data source; null when it can't be read: the problem is reported. */
export function readSecret(context: TlsCompileContext, value: Value, field: string): Buffer | null {
  const { reader } = context;
  const source = fieldOf(value, field);
  if (source === undefined) return null;
  if (source['inline_bytes'] !== undefined) return Buffer.from(source['inline_bytes'] as Uint8Array);
  if (source['inline_string'] !== undefined) return Buffer.from(textOf(source, 'inline_string'));
  const variable = textOf(source, 'environment_variable');
  if (variable !== '') {
    const found = reader.environment[variable];
    if (found === undefined) reader.report('error', source, 'environment_variable', `${variable} is not set`);
    return found === undefined ? null : Buffer.from(found);
  }
  watchDirectoryOf(context, source);
  const path = textOf(source, 'filename');
  return path === '' ? null : readFile(context, path, source, 'filename');
}

/** value: has a watched_directory, or none. */
export function watchDirectoryOf(context: TlsCompileContext, value: Value): void {
  const directory = fieldOf(value, 'watched_directory');
  const path = textOf(directory ?? {}, 'path');
  if (path === '') return;
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) context.files.watchDirectory(path);
  else context.reader.report('error', directory, 'path', 'is not a directory that is there');
}

/** value, field: what names the file. */
export function readFile(context: TlsCompileContext, path: string, value: Value, field: string): Buffer | null {
  try {
    return context.files.read(path);
  } catch (error) {
    context.reader.report('error', value, field, `can't be read: ${textOfError(error)}`);
    return null;
  }
}

/** A path, or "<inline>". */
export function sourcePath(value: Value, field: string): string {
  return textOf(fieldOf(value, field) ?? {}, 'filename', '<inline>');
}

export function textOfError(error: unknown): string {
  const { reason, message } = error as { reason?: string; message?: string };
  return reason ?? message ?? String(error);
}
