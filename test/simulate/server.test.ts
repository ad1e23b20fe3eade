/** Tests of Server: who is finished when, with jobs that share, wait, leave early, and with a speed that changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jobs } from '../../bench/simulate/jobs.js';
import { type Discipline, Server } from '../../bench/simulate/server.js';

function job(jobs: Jobs, demandUs: number): number {
  const number = jobs.add();
  jobs.demandUs[number] = demandUs;
  return number;
}

function backend(discipline: Discipline, cores: number, speed = 1): { jobs: Jobs; server: Server } {
  const jobs = new Jobs();
  return { jobs, server: new Server(jobs, discipline, cores, speed) };
}

/** [job, when] of all that are still there. */
function rest(server: Server): [number, number][] {
  const seen: [number, number][] = [];
  for (let at = server.nextFinishUs(); at !== Number.POSITIVE_INFINITY; at = server.nextFinishUs())
    seen.push([server.finish(at), at]);
  return seen;
}

test('jobs that share one core finish in the order of their demand', () => {
  const { jobs, server } = backend('sharing', 1);
  const long = job(jobs, 100);
  const brief = job(jobs, 10);
  server.join(long, 0);
  server.join(brief, 50);
  // The long one has 50 left when the short one comes; both get half a core until 70.
  assert.deepEqual(rest(server), [
    [brief, 70],
    [long, 110],
  ]);
});

test('a job never gets more than one core', () => {
  const { jobs, server } = backend('sharing', 8, 0.5);
  server.join(job(jobs, 100), 0);
  assert.equal(server.nextFinishUs(), 200);
});

test('FIFO: as many as there are cores are served, the others wait in order', () => {
  const { jobs, server } = backend('fifo', 2);
  const [a, b, c, d] = [30, 20, 5, 5].map((demand) => job(jobs, demand)) as [number, number, number, number];
  for (const each of [a, b, c, d]) server.join(each, 0);
  assert.equal(server.inFlight, 4);
  assert.deepEqual(rest(server), [
    [b, 20],
    [c, 25],
    [a, 30],
    [d, 30],
  ]);
  assert.equal(server.inFlight, 0);
});

test('a cancelled job gives its place to the next, in service or waiting', () => {
  const { jobs, server } = backend('fifo', 1);
  const [a, b, c] = [30, 20, 10].map((demand) => job(jobs, demand)) as [number, number, number];
  for (const each of [a, b, c]) server.join(each, 0);
  server.cancel(b, 1);
  server.cancel(a, 2);
  assert.deepEqual(rest(server), [[c, 12]]);
});

test('a new speed holds from then on', () => {
  const { jobs, server } = backend('sharing', 1);
  server.join(job(jobs, 100), 0);
  server.setSpeed(0.5, 50);
  assert.equal(server.nextFinishUs(), 150);
});

test('thousands of jobs: work is conserved, and numbers are reused', () => {
  const { jobs, server } = backend('sharing', 4);
  let total = 0;
  for (let i = 1; i <= 5000; i++) {
    server.join(job(jobs, i), 0);
    total += i;
  }
  const seen = rest(server);
  assert.equal(seen.length, 5000);
  for (const [number] of seen) jobs.remove(number);
  // Four cores are busy until fewer than four jobs are left; the last is alone for a while.
  assert.ok(Math.abs((seen.at(-1) as [number, number])[1] - total / 4) < 5);
  assert.equal(jobs.add() < 5000, true);
});
