/** Matches of the document to their records: paths, headers, query parameters, fractions. */
import type { HeaderMatchRecord, PathMatchRecord, RouteMatchRecord } from '../plan/records.js';
import { compileRegexText, compileString, fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import { DENOMINATORS, type Fraction, type Runtime } from './runtime.js';

/** reader and runtime of what compiles the route. */
export function compileMatch(
  { reader, runtime }: { readonly reader: DocumentReader; readonly runtime: Runtime },
  match: Value,
): RouteMatchRecord {
  const fraction = fieldOf(match, 'runtime_fraction');
  return {
    path: compilePath(reader, match),
    caseSensitive: flagOf(match, 'case_sensitive', true),
    headers: fieldsOf(match, 'headers').map((header) => compileHeader(reader, header)),
    queryParameters: fieldsOf(match, 'query_parameters').map((query) => {
      const matcher = fieldOf(query, 'string_match');
      return { name: textOf(query, 'name'), string: matcher === undefined ? null : compileString(reader, matcher) };
    }),
    grpc: match['grpc'] !== undefined,
    runtimeFraction: fraction === undefined ? null : compileFraction(runtime, fraction),
  };
}

function compilePath(reader: DocumentReader, match: Value): PathMatchRecord {
  if (match['connect_matcher'] !== undefined) return { kind: 'connect' };
  const regex = fieldOf(match, 'safe_regex');
  if (regex !== undefined) return { kind: 'safe_regex', value: compileRegexText(reader, regex) };
  for (const kind of ['path', 'prefix'] as const) checkPlainPath(reader, match, kind);
  if (match['path'] !== undefined) return { kind: 'path', value: textOf(match, 'path') };
  if (match['path_separated_prefix'] !== undefined) {
    const value = textOf(match, 'path_separated_prefix');
    if (/[?#]/.test(value) || value.endsWith('/'))
      reader.report('error', match, 'path_separated_prefix', 'must not hold ? or # nor end in /');
    return { kind: 'path_separated_prefix', value };
  }
  return { kind: 'prefix', value: textOf(match, 'prefix') };
}

/** Legal, but no request has such a path. */
function checkPlainPath(reader: DocumentReader, match: Value, field: 'path' | 'prefix'): void {
  const value = textOf(match, field, '/');
  if (value !== '' && !value.startsWith('/') && !value.startsWith('*'))
    reader.report('warning', match, field, `${JSON.stringify(value)} matches nothing: paths begin with /`);
  else if (value.includes('#') || (field === 'path' && value.includes('?')))
    reader.report(
      'warning',
      match,
      field,
      `${JSON.stringify(value)} matches nothing: it is the path without the query`,
    );
}

function compileHeader(reader: DocumentReader, header: Value): HeaderMatchRecord {
  return {
    name: textOf(header, 'name').toLowerCase(),
    match: headerMatch(reader, header),
    invert: flagOf(header, 'invert_match'),
    treatMissingAsEmpty: flagOf(header, 'treat_missing_header_as_empty'),
  };
}

function headerMatch(reader: DocumentReader, header: Value): HeaderMatchRecord['match'] {
  const matcher = fieldOf(header, 'string_match');
  if (matcher !== undefined) return { kind: 'string', string: compileString(reader, matcher) };
  const regex = fieldOf(header, 'safe_regex_match');
  if (regex !== undefined)
    return { kind: 'string', string: { kind: 'safe_regex', value: compileRegexText(reader, regex) } };
  const range = fieldOf(header, 'range_match');
  if (range !== undefined) return { kind: 'range', start: numberOf(range, 'start', 0), end: numberOf(range, 'end', 0) };
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const)
    if (header[`${kind}_match`] !== undefined)
      return { kind: 'string', string: { kind, value: textOf(header, `${kind}_match`), ignoreCase: false } };
  return { kind: 'present', present: flagOf(header, 'present_match', true) };
}

export function compileFraction(runtime: Runtime, percent: Value): Fraction {
  const written = fieldOf(percent, 'default_value') ?? {};
  return runtime.fraction(textOf(percent, 'runtime_key'), {
    numerator: numberOf(written, 'numerator', 0),
    denominator: DENOMINATORS[textOf(written, 'denominator', 'HUNDRED') as keyof typeof DENOMINATORS],
  });
}
