/** Hops: a call's way through two proxies of one kind to the server. */
import type { Interruption } from '../interruption.js';
import { findPeers, type Missing, type Peer, type PeerPorts } from '../peers/catalog.js';
import type { Pinning } from '../peers/pinning.js';
import { MAIN } from '../../test/support/proxy-process.js';
import { bootstrap } from '../../test/support/bootstrap.js';
import { freePort } from '../../test/support/free-port.js';
import { ProxyRun } from '../proxy-run.js';

export const GRPC_PEERS = ['millrace', 'nghttpx'] as const;
export type GrpcPeer = (typeof GRPC_PEERS)[number];

/** HTTP/2 without TLS on both sides; calls last as long as they want. */
function command(name: GrpcPeer, { listener, admin, origin }: PeerPorts): ReturnType<Peer['command']> {
  if (name === 'nghttpx')
    return {
      command: [
        'nghttpx',
        '--conf={dir}/nghttpx.conf',
        '-n1',
        `-f127.0.0.1,${listener};no-tls`,
        `-b127.0.0.1,${origin};;proto=h2`,
        '--errorlog-file={dir}/error.log',
        '--add-x-forwarded-for',
      ],
      files: { 'nghttpx.conf': '' },
    };
  const config = bootstrap({
    origins: [origin],
    routes: [{ match: { prefix: '/', grpc: {} }, route: { cluster: 'origin', timeout: '0s' } }],
    cluster: { http2_protocol_options: {} },
  });
  return {
    command: [process.execPath, MAIN, '-c', '{dir}/envoy.yaml', '--concurrency', '1', '--drain-time-s', '1'],
    files: { 'envoy.yaml': config(listener, admin) },
  };
}

/** Those that can be had here; a version for each. */
export function findGrpcPeers(names: readonly GrpcPeer[]): {
  readonly peers: readonly Peer[];
  readonly missing: readonly Missing[];
} {
  return findPeers(names);
}

export class Hops {
  readonly port: number;
  readonly #runs: readonly ProxyRun[];

  private constructor(runs: readonly ProxyRun[]) {
    this.#runs = runs;
    this.port = (runs[runs.length - 1] as ProxyRun).port;
  }

  /** server: port of what the last hop asks. Rejects with what a proxy said that did not start. */
  static async start(
    name: GrpcPeer,
    server: number,
    count: number,
    pinning: Pinning,
    interruption: Interruption,
  ): Promise<Hops> {
    const runs: ProxyRun[] = [];
    try {
      for (let origin = server; runs.length < count; origin = (runs[runs.length - 1] as ProxyRun).port) {
        const listener = await freePort();
        const made = command(name, { listener, admin: await freePort(), origin });
        const pinned = { ...made, name, port: listener, command: pinning.command(made.command) };
        runs.push(await ProxyRun.start(pinned, interruption));
      }
      return new Hops(runs);
    } catch (error) {
      for (const run of runs) await run.stop();
      throw error;
    }
  }

  cpuUs(): number {
    return this.#runs.reduce((sum, run) => sum + run.cpuUs(), 0);
  }
  residentKiB(): number {
    return this.#runs.reduce((sum, run) => sum + run.residentKiB(), 0);
  }

  async stop(): Promise<void> {
    for (const run of this.#runs.toReversed()) await run.stop();
  }
}
