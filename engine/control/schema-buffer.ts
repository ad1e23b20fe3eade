/** Messages of the buffer filter. */
import { type Message, message, only } from './schema.js';

export const Buffer: Message = {
  name: 'Buffer',
  typeUrl: 'envoy.extensions.filters.http.buffer.v3.Buffer',
  fields: { max_request_bytes: { kind: 'uint', min: 1, max: 4294967295 } },
  required: ['max_request_bytes'],
};

export const BufferPerRoute: Message = {
  name: 'BufferPerRoute',
  typeUrl: 'envoy.extensions.filters.http.buffer.v3.BufferPerRoute',
  fields: { disabled: only('leave it out instead', true), buffer: message(() => Buffer) },
  oneof: [['disabled', 'buffer']],
};
