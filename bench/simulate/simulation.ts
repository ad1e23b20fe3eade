/** Simulation: one policy under one scenario on virtual time; the same seed gives every policy the same load. */
import { Prng } from '../../engine/base/prng.js';
import { NO_HASH } from '../../engine/upstream/balance/request-hash.js';
import { TAGGED_INTS, TaggedLatencies } from '../../engine/upstream/balance/tagged-latencies.js';
import { ENDPOINT_REQUESTS, endpointCell, type ProcessClock } from '../../engine/upstream/shared-cells.js';
import { Demand, exponential } from './demand.js';
import { EventQueue } from './event-queue.js';
import { buildFleet, type FleetWorker } from './fleet.js';
import { Jobs } from './jobs.js';
import { RequestKeys } from './request-keys.js';
import { LoadReporter } from './load-reporter.js';
import { Measurements } from './measurements.js';
import type { PolicyVariant } from './policies.js';
import type { ProbedPicker } from './probed-picker.js';
import { QueueRing } from './queue-ring.js';
import { capacity, expanded, type Scenario, SERVICE_US, type ServerGroup } from './scenario.js';
import { Server } from './server.js';

// Slots of the event queue: arrivals, timeouts, then for each server its next finish, then its antagonist.
const ARRIVAL = 0;
const TIMEOUT = 1;
const FIRST_SERVER = 2;

/** Servers forget the latencies that they have noted after so long without a request. */
const LATENCY_EXPIRY_US = 1000 * SERVICE_US;

export class Simulation implements ProcessClock {
  readonly measurements: Measurements;
  // A clock of the engine never says 0.
  #nowUs = 1;
  readonly #scenario: Scenario;
  readonly #groups: readonly ServerGroup[];
  readonly #timeoutUs: number;
  readonly #meanGapUs: number;
  // Streams of their own, so that what a policy draws changes nothing of the load.
  readonly #arrivals: Prng;
  readonly #failures: Prng;
  readonly #antagonists: Prng;
  readonly #demand: Demand;
  /** Null: requests have no hash. */
  readonly #keys: RequestKeys | null;
  readonly #jobs = new Jobs();
  readonly #servers: readonly Server[];
  readonly #reporter: LoadReporter;
  /** What servers answer to probes. */
  readonly #latencies: TaggedLatencies;
  readonly #isProbed: boolean;
  readonly #tagsLatencies: boolean;
  readonly #workers: readonly FleetWorker[];
  readonly #queue: EventQueue;
  /** Jobs in the order in which they are late, each followed by its generation; empty when late ones run on. */
  readonly #deadlines = new QueueRing();
  readonly #isDisturbed: Uint8Array;
  #started = 0;
  /** Measured requests under way. */
  #open = 0;

  constructor(scenario: Scenario, policy: PolicyVariant, seed: number) {
    const random = Prng.fromSeed(seed);
    this.#arrivals = Prng.fromSeed(random.next());
    this.#demand = new Demand(scenario.demand, SERVICE_US, Prng.fromSeed(random.next()));
    this.#failures = Prng.fromSeed(random.next());
    this.#antagonists = Prng.fromSeed(random.next());
    const keys = Prng.fromSeed(random.next());
    this.#keys = scenario.keys === undefined ? null : new RequestKeys(scenario.keys, keys);
    this.#scenario = scenario;
    this.#timeoutUs = scenario.timeout * SERVICE_US;
    this.#meanGapUs = this.#demand.meanUs / (scenario.load * capacity(scenario));
    this.#groups = expanded(scenario);
    this.#servers = this.#groups.map(
      ({ discipline, cores, speed }) => new Server(this.#jobs, discipline, cores, speed),
    );
    this.#reporter = new LoadReporter(this.#servers);
    this.#workers = buildFleet(scenario, policy, this.#servers, random, this);
    this.#isProbed = this.#workers.some(({ probes }) => probes !== null);
    this.#tagsLatencies = policy.tagsLatencies !== false;
    this.#latencies = new TaggedLatencies(new Int32Array(this.#servers.length * TAGGED_INTS), LATENCY_EXPIRY_US);
    this.measurements = new Measurements(this.#servers.length);
    this.#isDisturbed = new Uint8Array(this.#servers.length);
    this.#queue = new EventQueue(FIRST_SERVER + 2 * this.#servers.length);
    this.#queue.set(ARRIVAL, this.#meanGapUs * exponential(this.#arrivals));
    for (let server = 0; server < this.#servers.length; server++) this.#planAntagonist(server);
  }

  nowUs(): number {
    return this.#nowUs;
  }

  /** 0 to 1. */
  get progress(): number {
    return this.#started / (this.#scenario.warmUpRequests + this.#scenario.requests);
  }

  /** Handles events, at most as many; false when the run is over. */
  advance(events: number): boolean {
    const queue = this.#queue;
    for (let i = 0; i < events; i++) {
      if (this.#isOver()) return false;
      const slot = queue.top;
      this.#nowUs = queue.topUs;
      if (slot === ARRIVAL) this.#onArrival();
      else if (slot === TIMEOUT) this.#onTimeout();
      else if (slot < FIRST_SERVER + this.#servers.length) this.#onFinish(slot - FIRST_SERVER);
      else this.#onAntagonist(slot - FIRST_SERVER - this.#servers.length);
      this.measurements.events++;
    }
    return true;
  }

  /** All of it at once. */
  run(): Measurements {
    while (this.advance(1e6));
    return this.measurements;
  }

  /** Nothing comes after the last measured request; those under way are waited for. */
  #isOver(): boolean {
    const { warmUpRequests, requests } = this.#scenario;
    if (this.#started < warmUpRequests + requests || this.#open > 0) return false;
    this.measurements.durationUs = this.#nowUs;
    return true;
  }

  #onArrival(): void {
    const { warmUpRequests, requests } = this.#scenario;
    this.#start(this.#arrivals.below(this.#workers.length), this.#started >= warmUpRequests);
    this.#started++;
    const isLast = this.#started === warmUpRequests + requests;
    const gapUs = this.#meanGapUs * exponential(this.#arrivals);
    this.#queue.set(ARRIVAL, isLast ? Number.POSITIVE_INFINITY : this.#nowUs + gapUs);
  }

  #start(at: number, isMeasured: boolean): void {
    const jobs = this.#jobs;
    const worker = this.#workers[at] as FleetWorker;
    const keys = this.#keys;
    const index = worker.picker.pick(keys === null ? NO_HASH : keys.draw(), 0);
    const server = this.#servers[index] as Server;
    const job = jobs.add();
    jobs.startedUs[job] = this.#nowUs;
    jobs.worker[job] = at;
    jobs.server[job] = index;
    jobs.activeAtStart[job] = worker.cells.add(endpointCell(index, ENDPOINT_REQUESTS), 1);
    jobs.activeAtServer[job] = server.inFlight;
    jobs.isMeasured[job] = isMeasured ? 1 : 0;
    this.#drawDemand(job, (this.#groups[index] as ServerGroup).failures);
    if (isMeasured) {
      this.#open++;
      this.measurements.came(index, server.inFlight);
      if (keys?.isAtHome(index) === true) this.measurements.atHome++;
    }
    server.join(job, this.#nowUs);
    this.#queue.set(FIRST_SERVER + index, server.nextFinishUs());
    if (this.#scenario.cancelsLate) this.#planTimeout(job);
    if (worker.probes !== null) this.#probe(worker.probes);
  }

  /** Answers are there for the next request, not for this one: nobody waits for probes. */
  #probe(probes: ProbedPicker): void {
    const due = probes.probesDue();
    this.measurements.probes += due;
    for (let i = 0; i < due; i++) {
      const target = probes.target(i);
      const { inFlight } = this.#servers[target] as Server;
      const latencyUs = this.#latencies.estimate(target, this.#tagsLatencies ? inFlight : 0, this.#nowUs);
      probes.pool.add(target, inFlight, latencyUs, this.#nowUs);
    }
  }

  /** A request that fails needs as good as nothing of its server. */
  #drawDemand(job: number, failures: ServerGroup['failures']): void {
    const demandUs = this.#demand.draw();
    const isFailure = failures !== undefined && this.#failures.float() < failures.share;
    this.#jobs.isFailure[job] = isFailure ? 1 : 0;
    this.#jobs.demandUs[job] = isFailure ? failures.latency * SERVICE_US : demandUs;
  }

  #onFinish(index: number): void {
    const server = this.#servers[index] as Server;
    const job = server.finish(this.#nowUs);
    this.#queue.set(FIRST_SERVER + index, server.nextFinishUs());
    this.#end(job, this.#jobs.isFailure[job] === 1);
  }

  /** The proxy hears that a request is over. isFailure: from the server, or because it was late. */
  #end(job: number, isFailure: boolean): void {
    const jobs = this.#jobs;
    const index = jobs.server[job] as number;
    const worker = this.#workers[jobs.worker[job] as number] as FleetWorker;
    const latencyUs = this.#nowUs - (jobs.startedUs[job] as number);
    if (this.#isProbed) this.#note(job, index, latencyUs);
    worker.picker.loadReports?.responseHead(index, this.#reporter.head(index, this.#nowUs));
    worker.cells.add(endpointCell(index, ENDPOINT_REQUESTS), -1);
    worker.picker.feedback?.requestEnded(index, latencyUs, jobs.activeAtStart[job] as number, isFailure);
    if (jobs.isMeasured[job] === 1) {
      this.#open--;
      this.measurements.ended(latencyUs, jobs.isFailure[job] === 1, this.#timeoutUs);
    }
    jobs.remove(job);
  }

  /** What the server itself has seen of a request. */
  #note(job: number, index: number, latencyUs: number): void {
    const tag = this.#tagsLatencies ? (this.#jobs.activeAtServer[job] as number) : 0;
    this.#latencies.record(index, tag, latencyUs, this.#nowUs);
  }

  #planTimeout(job: number): void {
    this.#deadlines.push(job);
    this.#deadlines.push(this.#jobs.generation[job] as number);
    if (this.#deadlines.size === 2) this.#queue.set(TIMEOUT, this.#nowUs + this.#timeoutUs);
  }

  #onTimeout(): void {
    const jobs = this.#jobs;
    const late = this.#deadlines.shift();
    if (jobs.generation[late] === this.#deadlines.shift()) this.#cancel(late);
    // Those that have ended since are passed over.
    while (this.#deadlines.size > 0) {
      const job = this.#deadlines.first;
      const generation = this.#deadlines.second;
      if (jobs.generation[job] === generation) {
        this.#queue.set(TIMEOUT, (jobs.startedUs[job] as number) + this.#timeoutUs);
        return;
      }
      this.#deadlines.shift();
      this.#deadlines.shift();
    }
    this.#queue.set(TIMEOUT, Number.POSITIVE_INFINITY);
  }

  #cancel(job: number): void {
    const index = this.#jobs.server[job] as number;
    const server = this.#servers[index] as Server;
    server.cancel(job, this.#nowUs);
    this.#queue.set(FIRST_SERVER + index, server.nextFinishUs());
    this.#end(job, true);
  }

  #planAntagonist(index: number): void {
    const antagonist = (this.#groups[index] as ServerGroup).antagonist;
    if (antagonist === undefined) return;
    const mean = this.#isDisturbed[index] === 1 ? antagonist.meanOn : antagonist.meanOff;
    const inUs = mean * SERVICE_US * exponential(this.#antagonists);
    this.#queue.set(FIRST_SERVER + this.#servers.length + index, this.#nowUs + inUs);
  }

  #onAntagonist(index: number): void {
    const group = this.#groups[index] as ServerGroup;
    const server = this.#servers[index] as Server;
    const isOn = this.#isDisturbed[index] === 0;
    this.#isDisturbed[index] = isOn ? 1 : 0;
    server.setSpeed(isOn ? group.speed * (group.antagonist?.factor ?? 1) : group.speed, this.#nowUs);
    this.#queue.set(FIRST_SERVER + index, server.nextFinishUs());
    this.#planAntagonist(index);
  }
}
