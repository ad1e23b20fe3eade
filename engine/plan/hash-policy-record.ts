/** HashPolicyRecord: what of a request a route's hash policy goes by. */
import type { RegexRewriteRecord } from './records.js';

/** Each cookie policy that gives cookies has a bit of a signed number. */
export const HASH_POLICIES_MAX = 31;

/** terminal: when this or one before it had something to hash, those after it don't count. */
export type HashPolicyRecord = { readonly terminal: boolean } & (
  | {
      readonly kind: 'header';
      /** Lower case. */
      readonly name: string;
      readonly rewrite: RegexRewriteRecord | null;
    }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** 0 = until the browser ends; null = the cookie is only read. */
      readonly maxAgeSeconds: number | null;
      /** '' = none. */
      readonly path: string;
      readonly attributes: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'source_ip' }
  | { readonly kind: 'query_parameter'; readonly name: string }
);
