/** ScenarioRun: one policy over one scenario: backends, the proxy, the load, the changes; answers what was seen. */
import { freePort, MAIN } from '../../test/support/proxy-process.js';
import type { BackendReport } from '../backend/backend-thread.js';
import { Backends } from '../backend/backends.js';
import { runClosedLoop, runOpenLoop } from '../generator/load-run.js';
import { monotonicUs } from '../generator/monotonic.js';
import type { LoadReport } from '../generator/open-loop.js';
import type { Interruption } from '../interruption.js';
import { type ProxyCommand, ProxyRun } from '../proxy-run.js';
import type { Policy } from './policies.js';
import type { Ports, ProxyConfig } from './proxy-config.js';
import type { Scenario } from './scenario.js';
import { type Moment, timelineOf } from './timeline.js';

export interface RunOptions {
  readonly interruption: Interruption;
  readonly server?: 'auto' | 'node';
  /** Said once: node:http in the place of uWebSockets.js. */
  readonly say: (line: string) => void;
}

export interface Measurement {
  readonly scenario: string;
  readonly policy: string;
  readonly load: LoadReport;
  readonly backends: BackendReport;
  /** Of the proxy, while the load ran. */
  readonly cpuUs: number;
  readonly residentKiB: number;
  /** Millisecond of the load at which its end came, when it was interrupted. */
  readonly isInterrupted: boolean;
}

export async function runScenario(
  scenario: Scenario,
  config: ProxyConfig,
  policy: Policy,
  options: RunOptions,
): Promise<Measurement> {
  const ports = await freePorts(config.weights.length);
  const settings = scenario.groups.flatMap((group) => Array.from({ length: group.count }, () => group));
  const backends = await Backends.start(settings, ports.backends, scenario.seed, options.server);
  if (backends.listening.server === 'node' && options.server !== 'node')
    options.say(`backends are node:http servers: uWebSockets.js does not load here (${backends.listening.why})`);
  const isMember = settings.map((each) => each.isMember);
  let proxy: ProxyRun | null = null;
  try {
    proxy = await ProxyRun.start(millrace(scenario, config.text(policy, ports, isMember), ports), options.interruption);
    const changes = new Changes(scenario, config, policy, ports, isMember, backends, proxy);
    const before = proxy.cpuUs();
    const load = await runLoad(scenario, ports.listener, settings.length, options.interruption, changes);
    const cpuUs = proxy.cpuUs() - before;
    const residentKiB = proxy.residentKiB();
    await proxy.stop();
    const { isSet } = options.interruption;
    const report = await backends.stop();
    return {
      scenario: scenario.name,
      policy: policy.name,
      load,
      backends: report,
      cpuUs,
      residentKiB,
      isInterrupted: isSet,
    };
  } catch (error) {
    await proxy?.stop();
    await backends.stop();
    throw error;
  }
}

async function freePorts(backends: number): Promise<Ports> {
  const listener = await freePort();
  const admin = await freePort();
  const all: number[] = [];
  while (all.length < backends) all.push(await freePort());
  return { listener, admin, backends: all };
}

function millrace(scenario: Scenario, text: string, ports: Ports): ProxyCommand {
  const args = ['-c', '{dir}/envoy.yaml', '--concurrency', String(scenario.workers), '--drain-time-s', '1'];
  return {
    name: 'millrace',
    command: [process.execPath, MAIN, ...args],
    files: { 'envoy.yaml': text },
    port: ports.listener,
  };
}

/** The scenario's changes, made when their time comes. */
class Changes {
  readonly #config: ProxyConfig;
  readonly #policy: Policy;
  readonly #ports: Ports;
  readonly #isMember: boolean[];
  readonly #backends: Backends;
  readonly #proxy: ProxyRun;
  readonly #moments: readonly Moment[];
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    scenario: Scenario,
    config: ProxyConfig,
    policy: Policy,
    ports: Ports,
    isMember: boolean[],
    backends: Backends,
    proxy: ProxyRun,
  ) {
    this.#config = config;
    this.#policy = policy;
    this.#ports = ports;
    this.#isMember = isMember;
    this.#backends = backends;
    this.#proxy = proxy;
    this.#moments = timelineOf(scenario);
  }

  start(startUs: number): void {
    for (const moment of this.#moments) {
      const inMs = (startUs - monotonicUs()) / 1000 + moment.atMs;
      this.#timers.push(setTimeout(() => this.#make(moment), Math.max(0, inMs)));
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #make({ backend, effect }: Moment): void {
    this.#backends.change(backend, effect);
    if (effect.isMember === undefined) return;
    this.#isMember[backend] = effect.isMember;
    this.#proxy.write('envoy.yaml', this.#config.text(this.#policy, this.#ports, this.#isMember));
    this.#proxy.child.kill('SIGHUP');
  }
}

async function runLoad(
  scenario: Scenario,
  port: number,
  backends: number,
  interruption: Interruption,
  changes: Changes,
): Promise<LoadReport> {
  const { load } = scenario;
  const common = { host: '127.0.0.1', targetPort: port, control: interruption.control, ...load };
  try {
    if (load.rate !== null) {
      const task = { ...common, rate: load.rate, backends, seed: scenario.seed };
      return await runOpenLoop(task, (startUs) => changes.start(startUs));
    }
    changes.start(monotonicUs());
    const [report] = await runClosedLoop({ ...common, durationS: load.warmUpS + load.durationS });
    return report as LoadReport;
  } finally {
    changes.stop();
  }
}
