/** ScenarioRun: one policy over one scenario: backends, the proxy, the load, the changes; answers what was seen. */
import { freePort } from '../../test/support/free-port.js';
import { MAIN } from '../../test/support/proxy-process.js';
import type { BackendReport } from '../backend/backend-thread.js';
import { Backends } from '../backend/backends.js';
import { runClosedLoop, runOpenLoop } from '../generator/load-run.js';
import { monotonicUs } from '../generator/monotonic.js';
import type { LoadReport } from '../generator/load-report.js';
import type { Interruption } from '../interruption.js';
import { type ProxyCommand, ProxyRun } from '../proxy-run.js';
import type { Policy } from './policies.js';
import type { Ports, ProxyConfig } from './proxy-config.js';
import type { Scenario } from './scenario.js';
import { type Moment, timelineOf } from './timeline.js';

export interface RunOptions {
  readonly interruption: Interruption;
  readonly server?: 'auto' | 'node';
  /** Threads that make the load. */
  readonly generators?: number;
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
  // Each worker a process of its own: none knows what the others do.
  const processes = policy.isPerWorker ? scenario.workers : 1;
  const ports = await freePorts(config.weights.length, processes);
  const settings = scenario.groups.flatMap((group) => Array.from({ length: group.count }, () => group));
  const isMember = settings.map((each) => each.isMember);
  const backends = await Backends.start(settings, (ports[0] as Ports).backends, scenario.seed, options.server);
  if (backends.listening.server === 'node' && options.server !== 'node')
    options.say(`backends are node:http servers: uWebSockets.js does not load here (${backends.listening.why})`);
  const proxies: ProxyRun[] = [];
  try {
    for (const each of ports) {
      const command = millrace(scenario.workers / processes, config.text(policy, each, isMember), each);
      proxies.push(await ProxyRun.start(command, options.interruption));
    }
    const changes = new Changes(scenario, config, policy, ports, isMember, backends, proxies);
    const cpuUs = (): number => proxies.reduce((sum, proxy) => sum + proxy.cpuUs(), 0);
    const before = cpuUs();
    const load = await runLoad(scenario, ports, settings.length, options, changes);
    const cost = { cpuUs: cpuUs() - before, residentKiB: proxies.reduce((sum, proxy) => sum + proxy.residentKiB(), 0) };
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    const { isSet } = options.interruption;
    const report = await backends.stop();
    return { scenario: scenario.name, policy: policy.name, load, backends: report, ...cost, isInterrupted: isSet };
  } catch (error) {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await backends.stop();
    throw error;
  }
}

/** By process of the proxy. */
async function freePorts(backends: number, processes: number): Promise<Ports[]> {
  const all: number[] = [];
  while (all.length < backends) all.push(await freePort());
  const ports: Ports[] = [];
  while (ports.length < processes) ports.push({ listener: await freePort(), admin: await freePort(), backends: all });
  return ports;
}

function millrace(workers: number, text: string, ports: Ports): ProxyCommand {
  const args = ['-c', '{dir}/envoy.yaml', '--concurrency', String(workers), '--drain-time-s', '1'];
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
  readonly #ports: readonly Ports[];
  readonly #isMember: boolean[];
  readonly #backends: Backends;
  readonly #proxies: readonly ProxyRun[];
  readonly #moments: readonly Moment[];
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    scenario: Scenario,
    config: ProxyConfig,
    policy: Policy,
    ports: readonly Ports[],
    isMember: boolean[],
    backends: Backends,
    proxies: readonly ProxyRun[],
  ) {
    this.#config = config;
    this.#policy = policy;
    this.#ports = ports;
    this.#isMember = isMember;
    this.#backends = backends;
    this.#proxies = proxies;
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
    this.#proxies.forEach((proxy, at) => {
      proxy.write('envoy.yaml', this.#config.text(this.#policy, this.#ports[at] as Ports, this.#isMember));
      proxy.child.kill('SIGHUP');
    });
  }
}

async function runLoad(
  scenario: Scenario,
  ports: readonly Ports[],
  backends: number,
  { interruption, generators = 1 }: RunOptions,
  changes: Changes,
): Promise<LoadReport> {
  const { load } = scenario;
  const targetPorts = ports.map(({ listener }) => listener);
  const common = { host: '127.0.0.1', control: interruption.control, ...load };
  try {
    if (load.rate !== null) {
      const task = { ...common, targetPorts, rate: load.rate, backends, seed: scenario.seed };
      return await runOpenLoop(task, generators, (startUs) => changes.start(startUs));
    }
    changes.start(monotonicUs());
    const durationS = load.warmUpS + load.durationS;
    return await runClosedLoop({ ...common, targetPort: targetPorts[0] as number, durationS }, generators);
  } finally {
    changes.stop();
  }
}
