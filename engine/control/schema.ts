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
}

export type Field =
  | { readonly kind: 'string'; readonly notEmpty?: boolean }
  | { readonly kind: 'bool' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'uint'; readonly min?: number; readonly max?: number }
  | { readonly kind: 'int' }
  | { readonly kind: 'number' }
  /** Milliseconds. */
  | { readonly kind: 'duration'; readonly min?: number }
  | { readonly kind: 'enum'; readonly values: readonly string[]; readonly unsupported?: readonly string[] }
  | { readonly kind: 'message'; readonly message: () => Message }
  | { readonly kind: 'list'; readonly of: Field; readonly notEmpty?: boolean }
  | { readonly kind: 'map'; readonly of: Field }
  /** A typed message: types by URL without "type.googleapis.com/". */
  | { readonly kind: 'any'; readonly types: () => Readonly<Record<string, Message | string>> }
  /** v2's untyped `config:`; the message follows from the sibling field `name`. Stored as `typed_config`. */
  | { readonly kind: 'named'; readonly types: () => Readonly<Record<string, Message>> }
  /** Anything at all, taken as it is. */
  | { readonly kind: 'free' }
  /** Read, checked to be one of these values, and otherwise refused: settings that only have a default here. */
  | { readonly kind: 'only'; readonly values: readonly unknown[]; readonly why: string };

export const string: Field = { kind: 'string' };
export const text: Field = { kind: 'string', notEmpty: true };
export const bool: Field = { kind: 'bool' };
export const uint: Field = { kind: 'uint' };
export const duration: Field = { kind: 'duration' };
export const free: Field = { kind: 'free' };
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
