/** Leftover: bytes of one connection that can't be read yet: a part of a head, or a pipelined request. */
export function joinBytes(before: Uint8Array | null, bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (before === null) return bytes.slice(start, end);
  const joined = new Uint8Array(before.length + end - start);
  joined.set(before);
  joined.set(bytes.subarray(start, end), before.length);
  return joined;
}

/** Is there a line end in bytes[start, end)? Without one there is nothing new for a parser. */
export function hasLineEnd(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === 0x0a) return true;
  return false;
}
