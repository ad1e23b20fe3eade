/** Statuses: reason phrases and which carry no body. */
import { STATUS_CODES } from 'node:http';

const encoder = new TextEncoder();
const lines: (Uint8Array | undefined)[] = [];

export function statusText(status: number): string {
  return STATUS_CODES[status] ?? 'Unknown';
}

/** "HTTP/1.1 200 OK\r\n", encoded once per status. */
export function statusLine(status: number): Uint8Array {
  let line = lines[status];
  if (line === undefined) {
    line = encoder.encode(`HTTP/1.1 ${status} ${statusText(status)}\r\n`);
    lines[status] = line;
  }
  return line;
}

/** RFC 9112 §6.3 rule 1: these end with their head whatever the fields say. */
export function hasNoBody(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
