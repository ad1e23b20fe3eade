/** Overlay: what --config-yaml says is laid over the file as protobuf merges: fields win, lists grow. */
import { isMap, isSeq, type Node, type Pair, type YAMLMap, YAMLSeq } from 'yaml';
import { type Field, fieldName, type Message } from './schema.js';
import { keyOf, mapOf, type YamlText } from './yaml-text.js';

export function overlay(yaml: YamlText, under: Node, over: Node, message: Message): Node {
  if (!isMap(under) || !isMap(over)) return over;
  const pairs = [...yaml.pairs(under as YAMLMap)];
  for (const pair of yaml.pairs(over as YAMLMap)) {
    const name = fieldName(message, keyOf(pair));
    dropRivals(pairs, name, message);
    const at = pairs.findIndex((each) => fieldName(message, keyOf(each)) === name);
    const field = message.fields[name];
    if (at < 0) pairs.push(pair);
    else if (field === undefined) pairs[at] = pair;
    else pairs[at] = { ...pair, value: merged(yaml, pairs[at] as Pair, pair, field) } as Pair;
  }
  return mapOf(pairs, under);
}

/** Setting one of a oneof clears the others. */
function dropRivals(pairs: Pair[], name: string, message: Message): void {
  for (const group of message.oneof ?? []) {
    if (!group.includes(name)) continue;
    const isRival = (pair: Pair): boolean => {
      const other = fieldName(message, keyOf(pair));
      return other !== name && group.includes(other);
    };
    for (const rival of pairs.filter(isRival)) pairs.splice(pairs.indexOf(rival), 1);
  }
}

function merged(yaml: YamlText, under: Pair, over: Pair, field: Field): Node | null {
  const below = yaml.resolve(under.value as Node | null);
  const above = yaml.resolve(over.value as Node | null);
  if (below === null || above === null) return above ?? below;
  switch (field.kind) {
    case 'message':
      return overlay(yaml, below, above, field.message());
    case 'list': {
      const list = new YAMLSeq();
      list.items = [...(isSeq(below) ? below.items : [below]), ...(isSeq(above) ? above.items : [above])];
      list.range = below.range ?? null;
      return list;
    }
    case 'map':
    case 'struct': {
      if (!isMap(below) || !isMap(above)) return above;
      const own = yaml.pairs(above as YAMLMap);
      const names = new Set(own.map(keyOf));
      const kept = yaml.pairs(below as YAMLMap).filter((pair) => !names.has(keyOf(pair)));
      return mapOf([...kept, ...own], above);
    }
    default:
      return above;
  }
}
