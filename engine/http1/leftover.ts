/** Leftover: bytes of one connection that can't be read yet: a part of a head, or a pipelined request. */
export function joinBytes(before: Uint8Array | null, bytes: Uint8Array, start: number, end: number): Uint8Array {
  // Not slice(): a Buffer's shares the memory that it was lent from.
  const length = before === null ? 0 : before.length;
  const joined = new Uint8Array(length + end - start);
  if (before !== null) joined.set(before);
  joined.set(bytes.subarray(start, end), length);
  return joined;
}

/** Is there a line end in bytes[start, end)? Without one there is nothing new for a parser. */
export function hasLineEnd(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === 0x0a) return true;
  return false;
}
