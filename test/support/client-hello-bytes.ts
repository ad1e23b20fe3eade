/** ClientHellos as bytes, put together by hand: what real clients never send is in reach too. */

export interface HelloParts {
  readonly version?: number;
  readonly sessionBytes?: number;
  readonly suites?: readonly number[];
  readonly compressions?: readonly number[];
  /** Type and content of each; null = no extensions at all. */
  readonly extensions?: readonly (readonly [number, readonly number[]])[] | null;
}

const two = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
const text = (value: string): number[] => [...Buffer.from(value, 'latin1')];

export const serverName = (...names: string[]): readonly [number, number[]] => {
  const list = names.flatMap((name) => [0, ...two(name.length), ...text(name)]);
  return [0, [...two(list.length), ...list]];
};
export const alpn = (...protocols: string[]): readonly [number, number[]] => {
  const list = protocols.flatMap((protocol) => [protocol.length, ...text(protocol)]);
  return [16, [...two(list.length), ...list]];
};
export const versions = (...list: number[]): readonly [number, number[]] => [
  43,
  [list.length * 2, ...list.flatMap(two)],
];
export const signatures = (...list: number[]): readonly [number, number[]] => [
  13,
  [...two(list.length * 2), ...list.flatMap(two)],
];

/** The handshake message. */
export function message(parts: HelloParts = {}): number[] {
  const { version = 0x0303, sessionBytes = 32, suites = [0x1301], compressions = [0], extensions = [] } = parts;
  const body = [
    ...two(version),
    ...new Array<number>(32).fill(1),
    sessionBytes,
    ...new Array<number>(sessionBytes).fill(2),
  ];
  body.push(...two(suites.length * 2), ...suites.flatMap(two), compressions.length, ...compressions);
  if (extensions !== null) {
    const all = extensions.flatMap(([type, content]) => [...two(type), ...two(content.length), ...content]);
    body.push(...two(all.length), ...all);
  }
  return [1, 0, ...two(body.length), ...body];
}

/** In records of so many bytes. */
export function records(bytes: readonly number[], recordBytes = 16384): Uint8Array {
  const all: number[] = [];
  for (let at = 0; at < bytes.length; at += recordBytes) {
    const piece = bytes.slice(at, at + recordBytes);
    all.push(22, 3, 1, ...two(piece.length), ...piece);
  }
  return Uint8Array.from(all);
}
