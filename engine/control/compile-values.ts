/** Small values of the document to the form that records have: addresses, matchers, headers, data sources. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkFormat, expandEnvironment } from '../format/substitution.js';
import type { Address } from '../io/transport.js';
import type { HeaderAddRecord, HeaderMutationsRecord, RegexRewriteRecord, StringMatchRecord } from '../plan/records.js';
import { checkSubstitution, compileRegex } from '../format/regex.js';
import type { DocumentReader, Value } from './document.js';

export const HOUR_MS = 3600000;
export const MIB = 1 << 20;

export function fieldOf(value: Value, field: string): Value | undefined {
  return value[field] as Value | undefined;
}
export function fieldsOf(value: Value, field: string): readonly Value[] {
  return (value[field] as readonly Value[] | undefined) ?? [];
}
export function textOf(value: Value, field: string, otherwise = ''): string {
  return (value[field] as string | undefined) ?? otherwise;
}
export function numberOf(value: Value, field: string, otherwise: number): number {
  return (value[field] as number | undefined) ?? otherwise;
}
export function flagOf(value: Value, field: string, otherwise = false): boolean {
  return (value[field] as boolean | undefined) ?? otherwise;
}

/** What a socket's path may have: sockaddr_un has 108 bytes with the NUL at the end. */
const PIPE_MAX_BYTES = 107;

export function compilePipe(reader: DocumentReader, pipe: Value): Address {
  const host = textOf(pipe, 'path');
  const size = Buffer.byteLength(host);
  if (size > PIPE_MAX_BYTES)
    reader.report('error', pipe, 'path', `${size} bytes; the path of a unix socket has at most ${PIPE_MAX_BYTES}`);
  if (host.includes('\0')) reader.report('error', pipe, 'path', 'must not hold NUL');
  return { family: 'unix', host, port: 0 };
}

/** An address that must be an IP literal or a path; hint: where a name would be good. */
export function compileAddress(reader: DocumentReader, address: Value, hint: string): Address {
  const pipe = fieldOf(address, 'pipe');
  if (pipe !== undefined) return compilePipe(reader, pipe);
  const socket = fieldOf(address, 'socket_address') ?? {};
  const host = textOf(socket, 'address');
  const family = isIP(host);
  if (family === 0) reader.report('error', socket, 'address', `${JSON.stringify(host)} is not an IP address; ${hint}`);
  return { family: family === 6 ? 6 : 4, host, port: numberOf(socket, 'port_value', 0) };
}

export function compileRegexText(reader: DocumentReader, matcher: Value): string {
  const pattern = textOf(matcher, 'regex');
  const max = numberOf(fieldOf(matcher, 'google_re2') ?? {}, 'max_program_size', Number.POSITIVE_INFINITY);
  try {
    const size = compileRegex(pattern).programSize();
    if (size > max)
      reader.report('error', matcher, 'regex', `its program has ${size} steps, max_program_size is ${max}`);
  } catch (error) {
    reader.report(
      'error',
      matcher,
      'regex',
      `not an RE2 expression: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return pattern;
}

export function compileRewrite(reader: DocumentReader, rewrite: Value | undefined): RegexRewriteRecord | null {
  if (rewrite === undefined) return null;
  const pattern = compileRegexText(reader, fieldOf(rewrite, 'pattern') ?? {});
  const substitution = textOf(rewrite, 'substitution');
  const wrong = substitutionProblem(pattern, substitution);
  if (wrong !== null) reader.report('error', rewrite, 'substitution', `${JSON.stringify(substitution)}: ${wrong}`);
  return { pattern, substitution };
}

function substitutionProblem(pattern: string, substitution: string): string | null {
  try {
    return checkSubstitution(pattern, substitution);
  } catch {
    // The pattern is wrong, and was complained of already.
    return null;
  }
}

export function compileString(reader: DocumentReader, matcher: Value): StringMatchRecord {
  const regex = fieldOf(matcher, 'safe_regex');
  if (regex !== undefined) return { kind: 'safe_regex', value: compileRegexText(reader, regex) };
  const ignoreCase = flagOf(matcher, 'ignore_case');
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const)
    if (matcher[kind] !== undefined) return { kind, value: textOf(matcher, kind), ignoreCase };
  return { kind: 'exact', value: '', ignoreCase };
}

/** Null when it can't be read; the problem is reported. */
export function readDataSource(reader: DocumentReader, source: Value): Uint8Array | null {
  if (source['inline_bytes'] !== undefined) return source['inline_bytes'] as Uint8Array;
  if (source['inline_string'] !== undefined) return Buffer.from(textOf(source, 'inline_string'));
  if (source['environment_variable'] !== undefined) {
    const name = textOf(source, 'environment_variable');
    const value = reader.environment[name];
    if (value === undefined) reader.report('error', source, 'environment_variable', `${name} is not set`);
    return Buffer.from(value ?? '');
  }
  const filename = textOf(source, 'filename');
  try {
    return readFileSync(filename);
  } catch (error) {
    reader.report(
      'error',
      source,
      'filename',
      `can't be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  }
}

/** A wrong length or coding makes two messages of one: the codec alone writes them. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);
const NOT_HERE = "a config can't change it";
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function compileAdditions(reader: DocumentReader, options: readonly Value[]): HeaderAddRecord[] {
  return options.map((option) => {
    const header = fieldOf(option, 'header') ?? {};
    const name = textOf(header, 'key').toLowerCase();
    const value = expandEnvironment(textOf(header, 'value'), reader.environment);
    if (name.startsWith(':') || name === 'host')
      reader.report(
        'error',
        header,
        'key',
        `${name} can't be changed here; use host_rewrite_literal or a path rewrite`,
      );
    else if (FRAMING.has(name)) reader.report('error', header, 'key', `${name} says where a message ends: ${NOT_HERE}`);
    else if (!TOKEN.test(name)) reader.report('error', header, 'key', `${JSON.stringify(name)} is not a header name`);
    const wrong = checkFormat(value);
    if (wrong !== null) reader.report('error', header, 'value', `${wrong}; a literal % is written %%`);
    const append = option['append'];
    if (append !== undefined && option['append_action'] !== undefined)
      reader.report('error', option, 'append', 'append_action says it already: only one of the two');
    const action = (option['append_action'] ??
      (append === false ? 'OVERWRITE_IF_EXISTS_OR_ADD' : 'APPEND_IF_EXISTS_OR_ADD')) as HeaderAddRecord['action'];
    return { name, value, action, keepEmptyValue: flagOf(option, 'keep_empty_value') };
  });
}

function compileRemovals(reader: DocumentReader, value: Value, field: string): string[] {
  const names = ((value[field] as readonly string[] | undefined) ?? []).map((name) => name.toLowerCase());
  names.forEach((name, index) => {
    const at = `${field}[${index}]`;
    if (name.startsWith(':') || name === 'host') reader.report('error', value, at, `${name} can't be removed`);
    else if (FRAMING.has(name)) reader.report('error', value, at, `${name} says where a message ends: ${NOT_HERE}`);
    else if (!TOKEN.test(name)) reader.report('error', value, at, `${JSON.stringify(name)} is not a header name`);
  });
  return names;
}

export function compileMutations(reader: DocumentReader, value: Value): HeaderMutationsRecord {
  return {
    requestAdd: compileAdditions(reader, fieldsOf(value, 'request_headers_to_add')),
    requestRemove: compileRemovals(reader, value, 'request_headers_to_remove'),
    responseAdd: compileAdditions(reader, fieldsOf(value, 'response_headers_to_add')),
    responseRemove: compileRemovals(reader, value, 'response_headers_to_remove'),
  };
}

/** "10.0.0.0/8". */
export function compileCidr(reader: DocumentReader, range: Value): string {
  const address = textOf(range, 'address_prefix');
  const family = isIP(address);
  const length = numberOf(range, 'prefix_len', 0);
  if (family === 0) reader.report('error', range, 'address_prefix', `${JSON.stringify(address)} is not an IP address`);
  else if (family === 4 && length > 32)
    reader.report('error', range, 'prefix_len', 'an IPv4 prefix has at most 32 bits');
  else if (length === 0 && range['prefix_len'] === undefined) {
    const one = `prefix_len: ${family === 4 ? 32 : 128}`;
    reader.report(
      'warning',
      range,
      '',
      `without prefix_len it is every IPv${family} address; ${one} is this one alone`,
    );
  }
  return `${address}/${length}`;
}

/** An address as keys and problems name it. */
export function keyOf(address: Address): string {
  if (address.family === 'unix') return `unix:${address.host}`;
  return address.family === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
