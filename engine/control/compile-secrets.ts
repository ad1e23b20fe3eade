/** Secrets: named ones of static_resources.secrets, and those of files that sds_config names, each read once per config. */
import { readFile, type TlsCompileContext, watchDirectoryOf } from './compile-secret-bytes.js';
import { fieldOf, fieldsOf, textOf } from './compile-values.js';
import { DocumentReader, type Value } from './document.js';
import { SecretResources } from './schema-tls.js';

/** A part of a config, with the reader that knows where it stands. */
export interface Part {
  readonly value: Value;
  readonly context: TlsCompileContext;
}

/** The secret that an SdsSecretConfig names; undefined and a problem when there is none of that kind. */
export function secretOf(context: TlsCompileContext, config: Value, kind: string): Part | undefined {
  const source = fieldOf(config, 'sds_config');
  return source === undefined ? staticSecret(context, config, kind) : fileSecret(context, config, source, kind);
}

function staticSecret(context: TlsCompileContext, config: Value, kind: string): Part | undefined {
  const name = textOf(config, 'name');
  const secret = context.secrets.get(name);
  const found = secret === undefined ? undefined : fieldOf(secret, kind);
  if (found !== undefined) return { value: found, context };
  const why =
    secret === undefined ? 'is not in static_resources.secrets, and there is no sds_config' : `has no ${kind}`;
  // A secret that could not be read has been complained of.
  if (!context.reader.lacks(/^static_resources\.secrets/))
    context.reader.report('error', config, 'name', `secret ${JSON.stringify(name)} ${why}`);
  return undefined;
}

function fileSecret(context: TlsCompileContext, config: Value, source: Value, kind: string): Part | undefined {
  const { reader } = context;
  const name = textOf(config, 'name');
  const modern = fieldOf(source, 'path_config_source');
  const path = modern === undefined ? textOf(source, 'path') : textOf(modern, 'path');
  if (path === '') return undefined;
  watchDirectoryOf(context, modern ?? {});
  const document = documentOf(context, modern === undefined ? source : modern, path);
  if (document === null) return undefined;
  const secret = document.secrets.find((each) => textOf(each, 'name') === name);
  const found = secret === undefined ? undefined : fieldOf(secret, kind);
  if (found !== undefined) return { value: found, context: { ...context, reader: document.reader, within: path } };
  if (document.reader.lacks(/^resources/)) return undefined;
  const names = document.secrets.map((each) => textOf(each, 'name')).join(', ') || 'none';
  const why = secret === undefined ? `is not in ${path}, which has: ${names}` : `of ${path} has no ${kind}`;
  reader.report('error', config, 'name', `secret ${JSON.stringify(name)} ${why}`);
  return undefined;
}

/** A file of secrets as it was read. */
export interface SecretDocument {
  readonly reader: DocumentReader;
  readonly secrets: readonly Value[];
}

function documentOf(context: TlsCompileContext, value: Value, path: string): SecretDocument | null {
  const { documents } = context;
  let document = documents.get(path);
  if (document === undefined) {
    const bytes = readFile(context, path, value, 'path');
    document = bytes === null ? null : readDocument(context, path, bytes);
    documents.set(path, document);
  }
  // When it can't be read, whoever named it first has been told.
  return document;
}

function readDocument(context: TlsCompileContext, path: string, bytes: Buffer): SecretDocument | null {
  const reader = new DocumentReader(bytes.toString('utf8'), {
    file: path,
    allowsUnknownFields: false,
    environment: context.reader.environment,
    parent: context.reader,
  });
  const read = reader.read(SecretResources);
  if (read === null) return null;
  return { reader, secrets: fieldsOf(read, 'resources') };
}
