/** RequestHash: 64 bits that a request's hash policy gave, for the policies that hash; no policy hit = isSet is false. */
import { Hash64 } from '../../base/hash64.js';

/** Mutable: every exchange keeps one and fills it per request, so that a hash costs no garbage. */
export class RequestHash extends Hash64 {
  isSet = false;
}

/** For requests without a hash; never written. */
export const NO_HASH: RequestHash = new RequestHash();
