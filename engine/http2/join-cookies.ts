/** Joining of Cookie fields: HTTP/2 may split them, everything behind the codec reads one (RFC 9113 §8.2.3). */
import { FIELD_NEVER_INDEXED, type Head } from '../http/head.js';
import { N } from '../http/names.js';

const COOKIE = N.cookie;

/** Puts one Cookie field in the place of several. */
export function joinCookies(head: Head): void {
  let length = 0;
  for (let slot = head.find(COOKIE); slot >= 0; slot = head.find(COOKIE, slot + 1))
    length += head.valueEnd(slot) - head.valueStart(slot) + 2;
  const count = head.fieldCount;
  const start = head.beginAdd(COOKIE, length);
  let to = start;
  let never = 0;
  for (let slot = head.find(COOKIE); slot >= 0 && slot < count; slot = head.find(COOKIE, slot + 1)) {
    // An empty one would leave a space at an end.
    if (to > start && head.valueEnd(slot) > head.valueStart(slot)) {
      head.store[to++] = 0x3b;
      head.store[to++] = 0x20;
    }
    never |= head.fieldFlags(slot) & FIELD_NEVER_INDEXED;
    const bytes = head.fieldBytes(slot);
    const end = head.valueEnd(slot);
    for (let at = head.valueStart(slot); at < end; at++) head.store[to++] = bytes[at] as number;
    head.remove(slot);
  }
  head.endAdd(to);
  head.flagField(count, never);
}
