/** OverrideHost: the address of the endpoint that a request is for, whatever the policy says. */

/** No address is longer: the path of a unix socket has 107 bytes at most. */
const ADDRESS_BYTES_MAX = 128;

/** Mutable: an exchange makes one when it first needs it, and keeps it. */
export class OverrideHost {
  readonly bytes = new Uint8Array(ADDRESS_BYTES_MAX);
  /** 0 = none is named. */
  length = 0;
  /** No other endpoint will do. */
  isStrict = false;
  /** It could not be reached: the policy decides from here on. */
  isLeft = false;
  /** The last pick was this one. */
  isPicked = false;

  /** What is too long can't be an address of any endpoint, as little as what is kept of it. */
  set(address: Uint8Array, start: number, end: number, isStrict: boolean): void {
    this.length = Math.min(end - start, ADDRESS_BYTES_MAX);
    for (let i = 0; i < this.length; i++) this.bytes[i] = address[start + i] as number;
    this.isStrict = isStrict;
    this.isLeft = false;
    this.isPicked = false;
  }

  clear(): void {
    this.length = 0;
    this.isPicked = false;
  }
}
