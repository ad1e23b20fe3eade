/** Words: comparing bytes four at a time. */

/** Are a[aAt...] and b[bAt...] the same over byteCount bytes? */
export function sameWords(a: DataView, aAt: number, b: DataView, bAt: number, byteCount: number): boolean {
  const last = byteCount - 4;
  if (last < 0) {
    for (let i = 0; i < byteCount; i++) if (a.getUint8(aAt + i) !== b.getUint8(bAt + i)) return false;
    return true;
  }
  // The last word overlaps the one before it: what ends differently is found out first.
  if (a.getInt32(aAt + last, true) !== b.getInt32(bAt + last, true)) return false;
  for (let i = 0; i < last; i += 4) if (a.getInt32(aAt + i, true) !== b.getInt32(bAt + i, true)) return false;
  return true;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
