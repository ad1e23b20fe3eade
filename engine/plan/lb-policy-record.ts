/** LbPolicyRecord: which endpoint gets the next request, and the parameters of that policy. */

/** Name under Envoy's spelling, with its own parameters; engine/upstream/balance has one file each. */
export type LbPolicyRecord =
  | { readonly name: 'ROUND_ROBIN' }
  | { readonly name: 'RANDOM' }
  | {
      readonly name: 'LEAST_REQUEST';
      readonly choiceCount: number;
      readonly fullScan: boolean;
      readonly activeRequestBias: number;
      readonly failurePenaltyUs?: number;
    }
  | {
      readonly name: 'PEAK_EWMA';
      readonly decayUs: number;
      readonly defaultRttUs: number;
      readonly penaltyUs: number;
      readonly failurePenaltyUs: number;
      readonly fullScan: boolean;
    }
  | ({
      readonly name: 'RING_HASH';
      readonly minimumRingSize: number;
      readonly maximumRingSize: number;
      readonly hashFunction: 'XX_HASH' | 'MURMUR_HASH_2';
    } & ConsistentHashingRecord)
  /** tableSize: a prime. */
  | ({ readonly name: 'MAGLEV'; readonly tableSize: number } & ConsistentHashingRecord)
  | {
      readonly name: 'PREQUAL';
      readonly quantile: number;
      readonly choiceCount: number;
      readonly failurePenaltyUs: number;
      readonly expiryUs: number;
    }
  | { readonly name: 'PICK_FIRST'; readonly shuffle: boolean }
  | {
      readonly name: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN';
      readonly blackoutUs: number;
      readonly expirationUs: number;
      readonly updateUs: number;
      readonly errorUtilizationPenalty: number;
      readonly metricNames: readonly string[];
    };

export interface ConsistentHashingRecord {
  /** An endpoint without a hash_key in its metadata is hashed by its hostname instead of its address. */
  readonly useHostname: boolean;
  /** Percent of the mean that an endpoint's requests in flight may reach, at least 100; 0 = no bound. */
  readonly balanceFactor: number;
}
