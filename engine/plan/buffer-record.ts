/** BufferRecord: how much of a request is kept until it is whole, as plain data. */

export interface BufferRecord {
  readonly maxRequestBytes: number;
}
