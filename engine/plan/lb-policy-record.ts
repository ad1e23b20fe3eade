/** LbPolicyRecord: which endpoint gets the next request, and the parameters of that policy. */

/** Name under Envoy's spelling, with its own parameters; engine/upstream/balance has one file each. */
export type LbPolicyRecord =
  | { readonly name: 'ROUND_ROBIN'; readonly slowStart?: SlowStartRecord }
  | { readonly name: 'RANDOM' }
  | {
      readonly name: 'LEAST_REQUEST';
      readonly choiceCount: number;
      readonly fullScan: boolean;
      readonly activeRequestBias: number;
      readonly failurePenaltyUs?: number;
      readonly slowStart?: SlowStartRecord;
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
      /** Servers are asked; absent = they are not. */
      readonly probe?: ProbeRecord;
      /** What responses report of requests in flight counts. */
      readonly readsReports?: boolean;
    }
  | { readonly name: 'PICK_FIRST'; readonly shuffle: boolean }
  | {
      readonly name: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN';
      readonly blackoutUs: number;
      readonly expirationUs: number;
      readonly updateUs: number;
      readonly errorUtilizationPenalty: number;
      readonly metricNames: readonly string[];
      readonly slowStart?: SlowStartRecord;
    };

/** Prequal's probes: requests of our own that ask a server for its requests in flight and its latency. */
export interface ProbeRecord {
  readonly path: string;
  /** Host of the request. */
  readonly host: string;
  readonly timeoutMs: number;
  /** How many a request brings, may be a fraction. */
  readonly probesPerRequest: number;
  /** Answers kept by each worker, how long, and how many of them a request removes. */
  readonly poolSize: number;
  readonly maxAgeUs: number;
  readonly removalsPerRequest: number;
}

export interface SlowStartRecord {
  readonly windowUs: number;
  /** Above 1 the weight grows fast at first, below 1 slowly. */
  readonly aggression: number;
  /** Least part of the weight, 0 to 1. */
  readonly minWeight: number;
}

export interface ConsistentHashingRecord {
  /** An endpoint without a hash_key in its metadata is hashed by its hostname instead of its address. */
  readonly useHostname: boolean;
  /** Percent of the mean that an endpoint's requests in flight may reach, at least 100; 0 = no bound. */
  readonly balanceFactor: number;
}
