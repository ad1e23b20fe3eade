/** access_log to records: where lines go and what they say. */
import { checkFormat, expandEnvironment } from '../format/substitution.js';
import type { AccessLogRecord } from '../plan/records.js';
import { fieldOf, flagOf, readDataSource, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

/** log: typed_config of an access log. */
export function compileAccessLog(reader: DocumentReader, log: Value): AccessLogRecord {
  const type = String(log['@type'] ?? '');
  const path = type.endsWith('StdoutAccessLog') ? '-' : type.endsWith('StderrAccessLog') ? '=' : textOf(log, 'path');
  const format = fieldOf(log, 'log_format') ?? {};
  const omitEmptyValues = flagOf(format, 'omit_empty_values');
  const json = format['json_format'] ?? log['json_format'] ?? log['typed_json_format'];
  if (json !== undefined) {
    checkJsonFormat(reader, log, json);
    const expanded = expandJson(json, reader.environment);
    return { path: standardStream(path), format: { kind: 'json', json: expanded, omitEmptyValues } };
  }
  const source = fieldOf(format, 'text_format_source');
  const bytes = source === undefined ? null : readDataSource(reader, source);
  const written =
    bytes !== null ? Buffer.from(bytes).toString('utf8') : textOf(format, 'text_format', textOf(log, 'format'));
  const text = expandEnvironment(written, reader.environment);
  const wrong = checkFormat(text);
  if (wrong !== null)
    reader.report('error', log, source === undefined && log['format'] === undefined ? 'log_format' : 'format', wrong);
  return { path: standardStream(path), format: { kind: 'text', text, omitEmptyValues } };
}

function standardStream(path: string): string {
  return path === '/dev/stdout' ? '-' : path === '/dev/stderr' ? '=' : path;
}

function expandJson(json: unknown, environment: DocumentReader['environment']): unknown {
  if (typeof json === 'string') return expandEnvironment(json, environment);
  if (Array.isArray(json)) return json.map((part) => expandJson(part, environment));
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, part]) => [key, expandJson(part, environment)]));
}

function checkJsonFormat(reader: DocumentReader, log: Value, json: unknown): void {
  if (typeof json === 'string') {
    const wrong = checkFormat(json);
    if (wrong !== null) reader.report('error', log, 'log_format', wrong);
  } else if (typeof json === 'object' && json !== null)
    for (const value of Object.values(json)) checkJsonFormat(reader, log, value);
}
