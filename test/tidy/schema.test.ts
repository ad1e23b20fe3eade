/** Every field that the schema takes is read by what compiles it: a field that parses and does nothing misleads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bootstrap } from '../../engine/control/schema-bootstrap.js';
import type { Field, Message } from '../../engine/control/schema.js';
import { ENGINE } from './sources.js';

/** What has no effect in Envoy either, or is what the reader itself goes by. */
const INERT: ReadonlyMap<string, string> = new Map([
  ['SocketAddress.protocol', 'TCP alone is accepted'],
  ['ClusterLoadAssignment.cluster_name', 'a name for discovery; a static one is for the reader'],
  ['HttpFilter.is_optional', 'for filters that are not known; those are refused'],
]);

const COMPILERS = ENGINE.filter(({ path }) => /^engine\/control\/(compile|runtime|slow-start)/.test(path));

/** '${kind}_match' in a template stands for each of them. */
function isRead(name: string): boolean {
  const text = COMPILERS.map((source) => source.text).join('\n');
  return (
    text.includes(`'${name}'`) || (/^(exact|prefix|suffix|contains)_match$/.test(name) && text.includes('_match`'))
  );
}

function fieldsOf(message: Message, seen: Map<Message, string[]>): void {
  if (seen.has(message)) return;
  const names: string[] = [];
  seen.set(message, names);
  for (const [name, field] of Object.entries(message.fields)) {
    if (field.kind !== 'only') names.push(`${message.name}.${name}`);
    for (const inner of messagesOf(field)) fieldsOf(inner, seen);
  }
}
function messagesOf(field: Field): Message[] {
  if (field.kind === 'message') return [field.message()];
  if (field.kind === 'list' || field.kind === 'map') return messagesOf(field.of);
  return field.kind === 'any' || field.kind === 'named' ? Object.values(field.types()) : [];
}

test('every field of the schema is read, or inert for a reason that still stands', () => {
  const seen = new Map<Message, string[]>();
  fieldsOf(Bootstrap, seen);
  const all = [...seen.values()].flat();
  assert.ok(all.length > 150);
  const unread = all.filter((each) => !isRead(each.split('.')[1] as string));
  assert.deepEqual([...new Set(unread)].sort(), [...INERT.keys()].sort());
});
