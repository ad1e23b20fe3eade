/** StatefulSessionRecord: where a client carries the endpoint that it stays with, as plain data. */

export interface StatefulSessionRecord {
  /** No other endpoint serves while the client's is gone: 503. */
  readonly strict: boolean;
  readonly state:
    | {
        readonly kind: 'cookie';
        readonly name: string;
        /** 0 = until the browser ends. */
        readonly maxAgeSeconds: number;
        /** The session holds for requests below it; '' = for all. */
        readonly path: string;
        readonly attributes: readonly { readonly name: string; readonly value: string }[];
      }
    /** Lower case. */
    | { readonly kind: 'header'; readonly name: string };
}
