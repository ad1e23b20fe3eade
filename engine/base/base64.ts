/** Base64 (RFC 4648) from bytes to bytes, standard and URL-safe alphabet, with or without padding. */

const VALUES = new Int8Array(256).fill(-1);
for (const [at, letter] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  VALUES[letter.charCodeAt(0)] = at;
VALUES['-'.charCodeAt(0)] = 62;
VALUES['_'.charCodeAt(0)] = 63;
const PADDING = 0x3d;

/** How many bytes were written to `out`; -1 = not base64, or more than fits. */
export function decodeBase64(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let last = end;
  while (last > start && end - last < 2 && bytes[last - 1] === PADDING) last--;
  const count = last - start;
  if (count % 4 === 1 || Math.floor((count * 3) / 4) > out.length) return -1;
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = start; i < last; i++) {
    const value = VALUES[bytes[i] as number] as number;
    if (value < 0) return -1;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (held >> bits) & 0xff;
    }
  }
  return at;
}
