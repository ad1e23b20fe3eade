/** LargeOrigin: answers attackers with 1 MiB each, from a thread that goes behind. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';

// The origin of normal traffic would be busy with them, and its stall be taken for the proxy's.
const LARGE = Buffer.alloc(1 << 20, 'b');

// On Linux this is of the thread alone.
setPriority(19);
const origin = http.createServer((_, response) => response.end(LARGE));
origin.listen(0, '127.0.0.1', () => parentPort?.postMessage((origin.address() as AddressInfo).port));
