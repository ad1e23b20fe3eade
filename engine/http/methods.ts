/** Request methods: numbers, names, properties (RFC 9110 §9). */
import type { Head } from './head.js';
export type MethodNumber = number;

interface Method {
  readonly name: string;
  readonly isSafe: boolean;
  readonly isIdempotent: boolean;
}

const METHODS: readonly Method[] = [
  { name: '', isSafe: false, isIdempotent: false },
  { name: 'GET', isSafe: true, isIdempotent: true },
  { name: 'HEAD', isSafe: true, isIdempotent: true },
  { name: 'POST', isSafe: false, isIdempotent: false },
  { name: 'PUT', isSafe: false, isIdempotent: true },
  { name: 'DELETE', isSafe: false, isIdempotent: true },
  { name: 'CONNECT', isSafe: false, isIdempotent: false },
  { name: 'OPTIONS', isSafe: true, isIdempotent: true },
  { name: 'TRACE', isSafe: true, isIdempotent: true },
  { name: 'PATCH', isSafe: false, isIdempotent: false },
];

/** A method without a number of its own. */
export const METHOD_OTHER = 0;
export const METHOD_GET = 1;
export const METHOD_HEAD = 2;
export const METHOD_POST = 3;
export const METHOD_PUT = 4;
export const METHOD_CONNECT = 6;
export const METHOD_OPTIONS = 7;
export const METHOD_PATCH = 9;

const encoder = new TextEncoder();
export const METHOD_BYTES: readonly Uint8Array[] = METHODS.map((method) => encoder.encode(method.name));

/** Number of a method name, 0 for one that is not in the table. Names are case-sensitive. */
export function methodNumber(name: string): MethodNumber {
  return Math.max(
    0,
    METHODS.findIndex((method) => method.name === name),
  );
}

export function methodName(method: MethodNumber): string {
  return METHODS[method]?.name ?? '';
}

export function isIdempotent(method: MethodNumber): boolean {
  return (METHODS[method] as Method).isIdempotent;
}

/** Its requests have content: without any they say so by Content-Length: 0 (RFC 9110 §8.6), or servers answer 411. */
export function expectsBody(method: MethodNumber): boolean {
  return method === METHOD_POST || method === METHOD_PUT || method === METHOD_PATCH;
}

/** Number of the method in bytes[start, end). */
export function methodOf(bytes: Uint8Array, start: number, end: number): MethodNumber {
  const length = end - start;
  for (let number = 1; number < METHOD_BYTES.length; number++) {
    const name = METHOD_BYTES[number] as Uint8Array;
    if (name.length !== length || name[0] !== bytes[start]) continue;
    let i = 1;
    while (i < length && name[i] === bytes[start + i]) i++;
    if (i === length) return number;
  }
  return 0;
}

/** "GET", also for methods without a number. */
export function requestMethodName(head: Head): string {
  if (head.method !== 0) return methodName(head.method);
  const { bytes, base, methodStart, methodEnd } = head;
  return Buffer.from(bytes.subarray(base + methodStart, base + methodEnd)).toString('latin1');
}
