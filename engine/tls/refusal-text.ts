/** Refusals of the policy in the words of transport failure reasons. */
import type { Refusal } from './peer-policy.js';

const TEXTS: Readonly<Record<Refusal, string>> = {
  no_cert: 'verify cert failed: no certificate was presented',
  san: 'verify cert failed: verify SAN list',
  cert_hash: 'verify cert failed: verify certificate hash or SPKI',
  key_usage: 'verify cert failed: the key of the certificate may not sign',
};

/** As Envoy has it: "TLS_error:|268435581:SSL routines:...:verify cert failed: verify SAN list". */
export function refusalText(refusal: Refusal): string {
  return `TLS_error:${TEXTS[refusal]}`;
}
