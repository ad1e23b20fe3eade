/** Attacker: a thread that floods with one attack over a few connections, each opened anew when it is closed. */
import net, { type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { ATTACKS, type Attack, BEGINNING } from './attacks.js';
import { GOAWAY } from './frames.js';

export interface AttackerTask {
  readonly attack: string;
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
}

export interface AttackerReport {
  readonly bytes: number;
  /** Connections that the proxy closed. */
  readonly closed: number;
  /** How often each error code came in a GOAWAY. */
  readonly codes: Readonly<Record<number, number>>;
}

/** Thrown out, it comes back after so long: an attacker needs a moment, and we need descriptors. */
const AGAIN_MS = 20;

class Attacker {
  readonly #task: AttackerTask;
  readonly #attack: Attack;
  readonly #codes: Record<number, number> = {};
  readonly #sockets = new Set<Socket>();
  #bytes = 0;
  #closed = 0;
  #isOver = false;

  constructor(task: AttackerTask) {
    this.#task = task;
    this.#attack = ATTACKS.find(({ name }) => name === task.attack) as Attack;
  }

  async run(): Promise<AttackerReport> {
    for (let at = 0; at < this.#task.connections; at++) this.#connect();
    await new Promise((resolve) => setTimeout(resolve, this.#task.durationMs));
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
    return { bytes: this.#bytes, closed: this.#closed, codes: this.#codes };
  }

  #connect(): void {
    if (this.#isOver) return;
    const socket = net.connect(this.#task.port, '127.0.0.1');
    this.#sockets.add(socket);
    let count = 0;
    const send = (): void => {
      while (!this.#isOver && !socket.destroyed) {
        const bytes = this.#attack.more(count++);
        if (bytes.length === 0) return;
        this.#bytes += bytes.length;
        if (!socket.write(bytes)) return;
      }
    };
    socket.on('connect', () => {
      socket.write(Buffer.concat([BEGINNING, this.#attack.opening()]));
      send();
    });
    socket.on('drain', send);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#isOver) return;
      this.#closed++;
      setTimeout(() => this.#connect(), AGAIN_MS);
    });
  }

  /** A GOAWAY that begins in this piece; one that is cut in two is not seen, another will be. */
  #read(chunk: Buffer): void {
    for (let at = 0; at + 9 <= chunk.length; at += 9 + chunk.readUIntBE(at, 3)) {
      if (chunk[at + 3] !== GOAWAY || at + 17 > chunk.length) continue;
      const code = chunk.readUInt32BE(at + 13);
      this.#codes[code] = (this.#codes[code] ?? 0) + 1;
    }
  }
}

// On Linux this is of the thread alone: who measures goes before who attacks, where they share a CPU.
setPriority(19);
const report = await new Attacker(workerData as AttackerTask).run();
parentPort?.postMessage(report);
