/** Fuzz target: the PROXY preface. However many bytes have come, more of them never change what was read. */
import {
  PREFACE_BAD,
  PREFACE_BYTES_MAX,
  PREFACE_MORE,
  ProxyPreface,
  writePreface,
} from '../../../engine/io/proxy-protocol.js';
import { corpusOf } from '../corpus.js';

export const name = 'proxy-protocol';
export const corpus = corpusOf(name);

function read(input: Uint8Array): { consumed: number; preface: ProxyPreface } {
  const preface = new ProxyPreface();
  return { consumed: preface.read(input, 0, input.length), preface };
}

export function run(input: Uint8Array): void {
  const { consumed, preface } = read(input);
  if (consumed > input.length) throw new Error('consumed more than there is');
  if (consumed === PREFACE_MORE && input.length >= PREFACE_BYTES_MAX) throw new Error('asks for more than it may');
  let before = PREFACE_MORE;
  for (let length = 0; length <= Math.min(input.length, 300); length++) {
    const now = read(input.subarray(0, length)).consumed;
    if (before !== PREFACE_MORE && now !== before) throw new Error(`${before}, then ${now} at ${length} bytes`);
    before = now;
  }
  if (consumed <= 0 || preface.source === null || preface.destination === null || preface.source.family === 'unix')
    return;
  const { source, destination } = preface;
  const again = read(writePreface(preface.version, { source, destination }));
  if (again.consumed === PREFACE_BAD || again.preface.source?.port !== preface.source.port)
    throw new Error('what was read is not what it is written as');
}
