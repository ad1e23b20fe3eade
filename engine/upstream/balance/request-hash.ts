/** RequestHash: 64 bits that a request's hash policy gave, for the policies that hash; no policy hit = isSet is false. */

/** Mutable: the worker keeps one and fills it per request, so that a hash costs no garbage (and no BigInt). */
export class RequestHash {
  /** Bits 0 to 31, signed. */
  low = 0;
  /** Bits 32 to 63, signed. */
  high = 0;
  isSet = false;
}

/** For requests without a hash; never written. */
export const NO_HASH: RequestHash = new RequestHash();
