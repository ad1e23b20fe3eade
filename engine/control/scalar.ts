/** Scalars of a document as protobuf JSON reads them: text, numbers, durations, named values. */
import { suggest } from '../fault/problem.js';
import type { Field } from './schema.js';

/** Either the value, perhaps with something to say about how it is written, or what it should have been. */
export type Scalar =
  | { readonly value: unknown; readonly note: string | null }
  /** "must be <wanted>, not <what was written>". */
  | { readonly wanted: string }
  /** Said as it is. */
  | { readonly refusal: string };

/** What a 32-bit timer holds: longer is as good as never. */
const DURATION_MAX_MS = 2147483647;

function good(value: unknown, note: string | null = null): Scalar {
  return { value, note };
}

/** raw: undefined for what is no scalar. isPlain: written without quotes. */
export function readScalar(raw: unknown, isPlain: boolean, field: Field): Scalar {
  switch (field.kind) {
    case 'string':
      return readString(raw, field);
    case 'bytes':
      return readBytes(raw);
    case 'bool':
      return readBool(raw, isPlain);
    case 'uint':
    case 'int':
    case 'number': {
      const number = numberOf(raw, field);
      return number === null ? { wanted: numberText(field) } : good(number);
    }
    case 'duration':
      return readDuration(raw, field);
    case 'enum':
      return readEnum(raw, field);
    default:
      return { wanted: 'something else' };
  }
}

function readString(raw: unknown, field: Field & { kind: 'string' }): Scalar {
  if (typeof raw === 'number' || typeof raw === 'boolean' || typeof raw === 'bigint')
    return { wanted: `a string: put it in quotes ("${String(raw)}")` };
  if (typeof raw !== 'string') return { wanted: 'a string' };
  if (field.notEmpty === true && raw === '') return { wanted: 'a string that is not empty' };
  // A line break in a field value would split the message that carries it.
  if (field.isFieldValue === true && /[\0-\x08\x0a-\x1f\x7f]/.test(raw))
    return { wanted: 'text without line breaks and control characters' };
  return good(raw);
}

function readBytes(raw: unknown): Scalar {
  // Buffer.from() stops at the first character that is not base64.
  const text = typeof raw === 'string' ? raw.replace(/\s/g, '') : null;
  if (text === null || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) return { wanted: 'base64 text' };
  return good(Buffer.from(text, 'base64'));
}

/** Envoy's YAML reader is of YAML 1.1 here: yes and on are true. */
function readBool(raw: unknown, isPlain: boolean): Scalar {
  if (typeof raw === 'boolean') return good(raw);
  const word = typeof raw === 'string' ? raw.toLowerCase() : '';
  if (isPlain && (word === 'yes' || word === 'on')) return good(true, `write true instead of ${String(raw)}`);
  if (isPlain && (word === 'no' || word === 'off')) return good(false, `write false instead of ${String(raw)}`);
  return { wanted: word === 'true' || word === 'false' ? `${word} without quotes` : 'true or false' };
}

function numberOf(raw: unknown, field: Field): number | null {
  const number =
    typeof raw === 'number' ? raw : typeof raw === 'string' && /^-?\d+(\.\d+)?$/.test(raw) ? Number(raw) : Number.NaN;
  if (!Number.isFinite(number)) return null;
  if (field.kind === 'number')
    return number < (field.min ?? -Infinity) || number > (field.max ?? Infinity) ? null : number;
  if (!Number.isSafeInteger(number)) return null;
  if (field.kind === 'uint' && (number < (field.min ?? 0) || number > (field.max ?? 4294967295))) return null;
  return number;
}

function numberText(field: Field): string {
  if (field.kind === 'uint') return `a whole number from ${field.min ?? 0} to ${field.max ?? 4294967295}`;
  if (field.kind === 'int') return 'a whole number';
  if (field.kind === 'number' && field.min !== undefined)
    return `a number from ${field.min}${field.max === undefined ? '' : ` to ${field.max}`}`;
  return 'a number';
}

// ---- durations ------------------------------------------------------------------------------------------------

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  min: 60,
  h: 3600,
  d: 86400,
};

/** raw: "1.5s", or { seconds, nanos } as plain data. Answers milliseconds. */
function readDuration(raw: unknown, field: Field & { kind: 'duration' }): Scalar {
  const ms = typeof raw === 'object' && raw !== null ? fromParts(raw) : fromText(raw);
  if (ms === null) return { wanted: `a duration such as "0.25s" or "15s"${durationHint(raw)}` };
  // Less than a millisecond still means "on".
  const whole = ms > 0 && ms < 1 ? 1 : Math.round(ms);
  if (whole < (field.min ?? 0)) return { wanted: `a duration of at least ${(field.min ?? 0) / 1000}s` };
  if (whole > DURATION_MAX_MS) return good(DURATION_MAX_MS, 'more than 24 days is taken as 24 days');
  return good(whole);
}

function fromText(raw: unknown): number | null {
  const found = typeof raw === 'string' ? /^(\d+(?:\.\d{1,9})?)s$/.exec(raw) : null;
  return found === null ? null : Number(found[1]) * 1000;
}

function fromParts(raw: object): number | null {
  const { seconds = 0, nanos = 0, ...others } = raw as { readonly seconds?: unknown; readonly nanos?: unknown };
  if (Object.keys(others).length > 0) return null;
  const whole = numberOf(seconds, { kind: 'uint', max: Number.MAX_SAFE_INTEGER });
  const rest = numberOf(nanos, { kind: 'uint', max: 999999999 });
  return whole === null || rest === null ? null : whole * 1000 + rest / 1e6;
}

function durationHint(raw: unknown): string {
  const found = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(typeof raw === 'number' ? String(raw) : String(raw ?? ''));
  if (found === null) return '';
  const factor = found[2] === '' ? 1 : UNIT_SECONDS[found[2] as string];
  if (factor === undefined) return '';
  const seconds = Number((Number(found[1]) * factor).toPrecision(12));
  return seconds < 1e-6 || seconds > 1e9 ? '' : ` (write "${seconds}s")`;
}

// ---- named values ----------------------------------------------------------------------------------------------

function readEnum(raw: unknown, field: Field & { kind: 'enum' }): Scalar {
  const all = [...field.values, ...(field.unsupported ?? [])];
  let name =
    typeof raw === 'number' ? ((field.numbers ?? field.values)[raw] ?? '') : typeof raw === 'string' ? raw : '';
  let note: string | null = null;
  if (!all.includes(name) && all.includes(name.toUpperCase())) {
    name = name.toUpperCase();
    note = `values are named in capitals: write ${name}`;
  }
  if (field.values.includes(name)) return good(name, note);
  if (field.unsupported?.includes(name) === true)
    return {
      refusal: `${name} is known to Envoy but not supported here yet; supported: ${field.values.join(', ')}`,
    };
  const near = suggest(name, all);
  return { wanted: `one of ${field.values.join(', ')}${near === null ? '' : ` (did you mean ${near}?)`}` };
}
