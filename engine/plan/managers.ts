/** The HTTP connection managers of a listener: those of its filter chains. */
import type { HttpRecord, ListenerRecord } from './records.js';

export function managersOf({ chains, defaultChain }: ListenerRecord): readonly HttpRecord[] {
  return [...chains, ...(defaultChain === null ? [] : [defaultChain])].flatMap(({ filter }) =>
    filter.kind === 'http' ? [filter.http] : [],
  );
}
