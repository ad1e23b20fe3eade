/** Long names of Envoy's response flags. */
const NAMES: Readonly<Record<string, string | undefined>> = {
  UH: 'NoHealthyUpstream',
  UF: 'UpstreamConnectionFailure',
  UO: 'UpstreamOverflow',
  NR: 'NoRouteFound',
  URX: 'UpstreamRetryLimitExceeded',
  NC: 'NoClusterFound',
  DT: 'DurationTimeout',
  DC: 'DownstreamConnectionTermination',
  DR: 'DownstreamRemoteReset',
  LR: 'LocalReset',
  UR: 'UpstreamRemoteReset',
  UC: 'UpstreamConnectionTermination',
  UT: 'UpstreamRequestTimeout',
  SI: 'StreamIdleTimeout',
  DPE: 'DownstreamProtocolError',
  UPE: 'UpstreamProtocolError',
  UMSDR: 'UpstreamMaxStreamDurationReached',
  DF: 'DnsResolutionFailed',
};

/** "UF,URX" to its long form. */
export function flagNames(flags: string): string {
  return flags
    .split(',')
    .map((flag) => NAMES[flag] ?? flag)
    .join(',');
}
