/** ExchangeState: bits of where an exchange stands, because request and response move on their own. */

export const REQUEST_HEAD = 1;
export const REQUEST_ENDED = 2;
/** The request head has left towards an endpoint in this attempt. */
export const REQUEST_SENT = 4;
/** The final response head has left towards the client. */
export const RESPONSE_HEAD = 8;
export const RESPONSE_ENDED = 16;
/** We answer ourselves: what the upstream still says is dropped. */
export const LOCAL_REPLY = 32;
export const FINISHED = 64;
/** Waiting in cluster.acquire(). */
export const ACQUIRING = 128;
/** Counted by cluster.requestStarted(). */
export const UPSTREAM_COUNTED = 256;
/** Header changes of the route are made once, whatever the number of attempts. */
export const REQUEST_PREPARED = 512;
/** Upgrade or CONNECT was agreed: raw bytes in both directions. */
export const TUNNEL = 1024;
/** The client has sent FIN. */
export const CLIENT_ENDED = 2048;
/** Request trailers have been passed on. */
export const TRAILERS_SENT = 4096;
/** What has been passed on of the body is kept, see replay.ts. */
export const BODY_KEPT = 8192;
/** The final head of the upstream has come. */
export const UPSTREAM_HEAD = 16384;
/** The upstream's answer has come whole. */
export const UPSTREAM_ENDED = 32768;
/** The end of the request has been passed on, or there is nothing behind its head. */
export const REQUEST_RELAYED = 65536;
/** They have taken all they can for now. */
export const UPSTREAM_FULL = 131072;
export const DOWNSTREAM_FULL = 262144;
