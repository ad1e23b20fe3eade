/** The language in which the supported part of Envoy's messages is written down; schema-*.ts hold the messages. */

/** A message: its fields under their proto names. */
export interface Message {
  /** Proto name without package, for texts. */
  readonly name: string;
  readonly fields: Readonly<Record<string, Field>>;
  /** For messages that stand in an Any: their type without "type.googleapis.com/". */
  readonly typeUrl?: string;
  /** Fields that Envoy has and we don't: refused by name instead of as unknown. */
  readonly unsupported?: readonly string[];
  readonly required?: readonly string[];
  /** Of each group exactly one must be there (or at most one, when it starts with '?'). */
  readonly oneof?: readonly (readonly string[])[];
  /** Of a message of `name` and `typed_config`: names that say everything; under others a name alone says nothing. */
  readonly bareNames?: readonly string[];
}

export type Field =
  /** isFieldValue: goes into a header, so it must hold no line break. */
  | { readonly kind: 'string'; readonly notEmpty?: boolean; readonly isFieldValue?: boolean }
  | { readonly kind: 'bool' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'uint'; readonly min?: number; readonly max?: number }
  | { readonly kind: 'int' }
  | { readonly kind: 'number'; readonly min?: number; readonly max?: number }
  /** Milliseconds. */
  | { readonly kind: 'duration'; readonly min?: number }
  | {
      readonly kind: 'enum';
      readonly values: readonly string[];
      readonly unsupported?: readonly string[];
      /** Names by proto number, where `values` are not already in that order. */
      readonly numbers?: readonly string[];
    }
  | { readonly kind: 'message'; readonly message: () => Message }
  | { readonly kind: 'list'; readonly of: Field; readonly notEmpty?: boolean }
  | { readonly kind: 'map'; readonly of: Field }
  /** A typed message: types by URL without "type.googleapis.com/". */
  | { readonly kind: 'any'; readonly types: () => Readonly<Record<string, Message>> }
  /** v2's untyped `config:`; the message follows from the sibling field `name`. Stored as `typed_config`. */
  | { readonly kind: 'named'; readonly types: () => Readonly<Record<string, Message>> }
  /** Anything at all, taken as it is. */
  | { readonly kind: 'free' }
  /** A map of anything. */
  | { readonly kind: 'struct' }
  /** Read, checked to be one of these values, and otherwise refused: settings that only have a default here. */
  | { readonly kind: 'only'; readonly values: readonly unknown[]; readonly why: string };

export const string: Field & { kind: 'string' } = { kind: 'string' };
export const text: Field & { kind: 'string' } = { kind: 'string', notEmpty: true };
export const bool: Field = { kind: 'bool' };
/** Text that a header field carries. */
export const fieldValue: Field = { kind: 'string', isFieldValue: true };
export const uint: Field = { kind: 'uint' };
export const duration: Field = { kind: 'duration' };
export const free: Field = { kind: 'free' };
export const struct: Field = { kind: 'struct' };
export function message(of: () => Message): Field {
  return { kind: 'message', message: of };
}
export function list(of: Field): Field {
  return { kind: 'list', of };
}
export function oneOf(...values: string[]): Field {
  return { kind: 'enum', values };
}
export function only(why: string, ...values: unknown[]): Field {
  return { kind: 'only', why, values };
}

const CAMEL = new WeakMap<Message, ReadonlyMap<string, string>>();

/** A field's proto name: camelCase is the other spelling of protobuf JSON. What is unknown stays as it is written. */
export function fieldName(message: Message, written: string): string {
  let names = CAMEL.get(message);
  if (names === undefined) {
    const all = [...Object.keys(message.fields), ...(message.unsupported ?? [])];
    names = new Map(all.flatMap((name) => [[name, name] as const, [camelCase(name), name] as const]));
    CAMEL.set(message, names);
  }
  return names.get(written) ?? written;
}

/** As protobuf makes it: accept_http_10 is acceptHttp10. */
function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
