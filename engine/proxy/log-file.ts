/** LogFile: blocks of whole lines to one file, pipe or terminal, in order, off the data path. */
import { close, fstat, fstatSync, open, openSync, write } from 'node:fs';

/** Blocks that may wait for a slow disk; beyond it lines are dropped and counted rather than memory filled. */
const WAITING_BLOCKS_MAX = 64;
/** A pipe takes so much at once without mixing it with what other threads write (POSIX PIPE_BUF is at least 512; Linux 4096). */
const PIPE_PIECE_BYTES = 4096;
/** A full pipe is asked again after so long, and so often before its reader counts as gone (5 s). */
const PIPE_FULL_MS = 10;
const PIPE_FULL_TIMES_MAX = 500;
const NEWLINE = 0x0a;

export interface LogFileOwner {
  /** One line for people, when something begins to go wrong. */
  onTrouble(message: string): void;
  /** So many lines are lost to a disk that failed or could not keep up. */
  onDropped(lines: number): void;
}

export class LogFile {
  readonly #path: string;
  readonly #owner: LogFileOwner;
  /** Longest piece of one write call; 0 = a whole block. */
  #pieceBytes = 0;
  /** -1 while closed: opened again when another block comes. */
  #descriptor = -1;
  #waiting: Buffer[] = [];
  #spare: Buffer[] = [];
  #isBusy = false;
  #isClosing = false;
  #wantsReopen = false;
  #isTroubled = false;
  #drained: (() => void)[] = [];

  /** path: '-' stdout, '=' stderr. Throws when it can't be opened. */
  constructor(path: string, owner: LogFileOwner) {
    this.#path = path;
    this.#owner = owner;
    this.#descriptor = path === '-' ? 1 : path === '=' ? 2 : openSync(path, 'a', 0o640);
    this.#pieceBytes = fstatSync(this.#descriptor).isFile() ? 0 : PIPE_PIECE_BYTES;
  }

  get isStream(): boolean {
    return this.#path === '-' || this.#path === '=';
  }

  /** Takes whole lines: copied into a block of this file's own. */
  append(bytes: Uint8Array, length: number, lines: number): void {
    if (this.#waiting.length >= WAITING_BLOCKS_MAX) {
      this.#drop(lines, 'the file does not keep up');
      return;
    }
    let block = this.#spare.pop();
    if (block === undefined || block.length < length) block = Buffer.allocUnsafeSlow(Math.max(length, bytes.length));
    block.set(bytes.subarray(0, length));
    this.#waiting.push(block.subarray(0, length));
    this.#next();
  }

  /** Calls back when everything appended so far is written or given up. */
  whenDrained(drained: () => void): void {
    this.#drained.push(drained);
    this.#next();
  }

  /** For rotation: the same path, opened anew between two blocks. */
  reopen(): void {
    if (this.isStream) return;
    this.#wantsReopen = true;
    this.#next();
  }

  /** Writes what waits, then closes. Blocks that still come open the file again for as long as they last. */
  close(): void {
    this.#isClosing = true;
    this.#next();
  }

  /** One step at a time: open, write, close each finish before the next begins, so no descriptor is used after its end. */
  #next(): void {
    if (this.#isBusy) return;
    if (this.#wantsReopen || (this.#descriptor < 0 && this.#waiting.length > 0)) {
      this.#isBusy = true;
      this.#wantsReopen = false;
      this.#open();
      return;
    }
    const block = this.#waiting.shift();
    if (block !== undefined) {
      this.#isBusy = true;
      this.#write(block, 0);
      return;
    }
    for (const drained of this.#drained.splice(0)) drained();
    if (!this.#isClosing || this.isStream || this.#descriptor < 0) return;
    this.#isBusy = true;
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    close(descriptor, () => this.#done());
  }

  #done(): void {
    this.#isBusy = false;
    this.#next();
  }

  #open(): void {
    open(this.#path, 'a', 0o640, (error, descriptor) => {
      if (error !== null) {
        this.#owner.onTrouble(`access log ${this.#path}: not opened: ${error.message}`);
        if (this.#descriptor < 0) this.#dropWaiting(error.message);
        this.#done();
        return;
      }
      const before = this.#descriptor;
      this.#descriptor = descriptor;
      fstat(descriptor, (_, stats) => {
        this.#pieceBytes = stats?.isFile() === true ? 0 : PIPE_PIECE_BYTES;
        if (before < 0) this.#done();
        else close(before, () => this.#done());
      });
    });
  }

  #write(block: Buffer, from: number, times = 0): void {
    write(this.#descriptor, block, from, this.#pieceEnd(block, from) - from, null, (error, written) => {
      // A full pipe is a matter of waiting; anything else loses the rest of the block.
      if (error !== null && error.code === 'EAGAIN' && times < PIPE_FULL_TIMES_MAX) {
        setTimeout(() => this.#write(block, from, times + 1), PIPE_FULL_MS);
        return;
      }
      if (error === null && from + written < block.length) {
        this.#write(block, from + written);
        return;
      }
      if (error !== null) this.#drop(linesIn(block, from), error.message);
      else this.#isTroubled = false;
      if (this.#spare.length < 2) this.#spare.push(Buffer.from(block.buffer, block.byteOffset));
      this.#done();
    });
  }

  /** Whole lines only: several workers write to the same pipe. */
  #pieceEnd(block: Buffer, from: number): number {
    if (this.#pieceBytes === 0 || block.length - from <= this.#pieceBytes) return block.length;
    const last = block.lastIndexOf(NEWLINE, from + this.#pieceBytes - 1);
    if (last >= from) return last + 1;
    const first = block.indexOf(NEWLINE, from);
    return first < 0 ? block.length : first + 1;
  }

  #dropWaiting(why: string): void {
    for (const block of this.#waiting.splice(0)) this.#drop(linesIn(block, 0), why);
  }

  #drop(lines: number, why: string): void {
    this.#owner.onDropped(lines);
    if (!this.#isTroubled) this.#owner.onTrouble(`access log ${this.#path}: lines dropped: ${why}`);
    this.#isTroubled = true;
  }
}

function linesIn(block: Buffer, from: number): number {
  let lines = 0;
  for (let at = from; at < block.length; at++) if (block[at] === NEWLINE) lines++;
  return Math.max(1, lines);
}
