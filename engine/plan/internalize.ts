/** Internalize: strings of a plan that came by message, made the same objects as the engine's own constants. */

/** Longer ones are paths and texts, which nothing compares with a constant. */
const LENGTH_MAX = 32;

/**
 * Replaces short strings in a tree of plain objects and arrays, in place. A message's strings are equal to constants
 * but not identical, so that each `kind === 'forward'` of a request would compare them character by character.
 */
export function internalize(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    const part = object[key];
    if (typeof part === 'string' && part.length <= LENGTH_MAX) object[key] = internalized(part);
    else internalize(part);
  }
}

/** Property names are always internalized. */
function internalized(text: string): string {
  return Object.keys({ [text]: 0 })[0] as string;
}
