/** Supermarket model: Mitzenmacher's mean time in system when each request joins the shortest of d queues of very many. */

/** In service times: the sum over i >= 1 of load^((d^i - d) / (d - 1)); for d = 1 that is M/M/1. */
export function supermarketMean(load: number, choices: number): number {
  if (choices === 1) return 1 / (1 - load);
  let sum = 0;
  for (let i = 1; ; i++) {
    const term = load ** ((choices ** i - choices) / (choices - 1));
    sum += term;
    if (term < 1e-12) return sum;
  }
}
