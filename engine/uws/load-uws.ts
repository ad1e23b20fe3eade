/** Loading uWebSockets.js: an optional package, so it is looked for when it is asked for, and missed in one line. */

/** The parts of uWebSockets.js that are used; its own types say more. */
export interface UwsResponse {
  onAborted(call: () => void): void;
  onData(call: (chunk: ArrayBuffer, isLast: boolean) => void): void;
  onWritable(call: (offset: number) => boolean): void;
  cork(call: () => void): void;
  pause(): void;
  resume(): void;
  writeStatus(status: Uint8Array): void;
  writeHeader(name: string, value: string): void;
  /** False: taken, but the connection is full. */
  write(chunk: Uint8Array): boolean;
  /** [all of it was taken, the response is whole]; what was not taken begins at getWriteOffset(). */
  tryEnd(chunk: Uint8Array, totalBytes: number): [boolean, boolean];
  end(body?: Uint8Array, closesConnection?: boolean): void;
  endWithoutBody(reportedLength?: number, closesConnection?: boolean): void;
  getWriteOffset(): number;
  getRemoteAddressAsText(): ArrayBuffer;
  close(): void;
}
export interface UwsRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** undefined: the target has no "?". */
  getQuery(): string | undefined;
  forEach(call: (name: string, value: string) => void): void;
}
export interface UwsApplication {
  any(pattern: string, call: (response: UwsResponse, request: UwsRequest) => void): void;
  /** count: 1 for a connection that has come, -1 for one that has gone. */
  filter(call: (response: UwsResponse, count: number) => void): void;
  listen(host: string, port: number, options: number, call: (socket: unknown) => void): void;
  getDescriptor(): number;
  addChildAppDescriptor(descriptor: number): void;
  removeChildAppDescriptor(descriptor: number): void;
  close(): void;
}
export interface Uws {
  App(): UwsApplication;
  us_socket_local_port(socket: unknown): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

/** Of the alias in package.json. */
const PACKAGE = 'uWebSockets.js';
const INSTALL = 'npm install uWebSockets.js@npm:uws-pack@20.0.8';

/** Throws with one line that says what is missing. */
export async function loadUws(name = PACKAGE): Promise<Uws> {
  try {
    return (await import(name)) as Uws;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ERR_MODULE_NOT_FOUND'
        ? `${name} is not installed: ${INSTALL}`
        : `${name} has no binary for Node.js ${process.versions.node} on ${process.platform} ${process.arch}: ${message.split('\n')[0]}`;
    throw new Error(`--ingress uws: ${why}`);
  }
}
