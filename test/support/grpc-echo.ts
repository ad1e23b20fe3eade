/** GrpcEcho: a server and clients of @grpc/grpc-js whose messages are bytes; what a call does is said in its metadata. */
import {
  type CallOptions,
  Client,
  type ClientReadableStream,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type status,
} from '@grpc/grpc-js';

export const SERVICE = 'test.Echo';
const same = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
const DEFINITION = {
  Unary: method('Unary', false, false),
  ServerStream: method('ServerStream', false, true),
  ClientStream: method('ClientStream', true, false),
  Bidi: method('Bidi', true, true),
} satisfies ServiceDefinition;

export interface Seen {
  /** Of the last call. */
  metadata: Metadata;
  /** Streams in both directions with x-cancelled that the client gave up. */
  cancelled: number;
  /** Messages of the client that came. */
  messages: number;
  deadlineMs: number;
}

export class GrpcEcho {
  readonly server: Server;
  port = 0;
  readonly seen: Seen = { metadata: new Metadata(), cancelled: 0, messages: 0, deadlineMs: 0 };

  private constructor() {
    this.server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
    this.server.addService(DEFINITION, {
      Unary: this.#unary,
      ServerStream: this.#serverStream,
      ClientStream: this.#clientStream,
      Bidi: this.#bidi,
    });
  }

  /** pair: PEM of a server over TLS. */
  static async start(pair?: { cert_chain: Buffer; private_key: Buffer }): Promise<GrpcEcho> {
    const echo = new GrpcEcho();
    const made = pair === undefined ? ServerCredentials.createInsecure() : ServerCredentials.createSsl(null, [pair]);
    echo.port = await new Promise((resolve, reject) =>
      echo.server.bindAsync('127.0.0.1:0', made, (error, port) => (error === null ? resolve(port) : reject(error))),
    );
    return echo;
  }

  /** Every connection dies at once. */
  kill(): void {
    this.server.forceShutdown();
  }

  #note(call: { metadata: Metadata; getDeadline(): unknown }) {
    this.seen.metadata = call.metadata;
    this.seen.deadlineMs = Number(call.getDeadline()) - Date.now();
  }

  /** "x-fail: 9 text" ends the call so, "x-wait" leaves it open. */
  readonly #unary: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    this.#note(call);
    const [fail] = call.metadata.get('x-fail');
    const trailer = new Metadata();
    trailer.set('x-trailer', 'last');
    trailer.set('x-bin', Buffer.from([0, 255, 10]));
    if (fail !== undefined) {
      const [code, ...words] = String(fail).split(' ');
      done({ code: Number(code) as status, details: words.join(' '), metadata: trailer });
    } else if (call.metadata.get('x-wait').length === 0) {
      const head = new Metadata();
      head.set('x-head', 'first');
      call.sendMetadata(head);
      done(null, call.request, trailer);
    }
  };

  /** The request, as many times as "x-count" says, with as much room as there is. */
  readonly #serverStream: handleServerStreamingCall<Buffer, Buffer> = async (call) => {
    this.#note(call);
    const count = Number(call.metadata.get('x-count')[0] ?? 3);
    for (let i = 0; i < count && !call.cancelled; i++)
      if (!call.write(call.request)) await new Promise((resolve) => call.once('drain', resolve));
    if (call.metadata.get('x-wait').length === 0) call.end();
  };

  readonly #clientStream: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
    this.#note(call);
    let bytes = 0;
    call.on('data', (message: Buffer) => {
      bytes += message.length;
      this.seen.messages++;
    });
    call.on('end', () => done(null, Buffer.from(String(bytes))));
  };

  /** Each message as soon as it has come. */
  readonly #bidi: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    this.#note(call);
    call.on('data', (message: Buffer) => {
      this.seen.messages++;
      call.write(message);
    });
    // grpc-js says so of calls that have ended well, too: those that will not are told apart by what they say.
    const isGivenUp = call.metadata.get('x-cancelled').length > 0;
    if (isGivenUp) call.on('cancelled', () => this.seen.cancelled++);
    // A client that gives up ends its side first: an end of ours could come before it says that it gives up.
    else call.on('end', () => call.end());
    call.on('error', () => undefined);
  };
}

export interface UnaryAnswer {
  readonly message: Buffer | null;
  readonly code: number;
  readonly details: string;
  readonly head: Metadata;
  readonly trailer: Metadata;
}

export class GrpcEchoClient extends Client {
  /** authority: whose certificates are taken, in PEM; null = no TLS. */
  constructor(port: number, options: object = {}, authority: Buffer | null = null) {
    super(`127.0.0.1:${port}`, authority === null ? credentials.createInsecure() : credentials.createSsl(authority), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
  }

  unary(
    message: Buffer,
    fields: Record<string, string | Buffer> = {},
    options: CallOptions = {},
  ): Promise<UnaryAnswer> {
    return new Promise((resolve) => {
      let head = new Metadata();
      let answer: Buffer | null = null;
      const path = DEFINITION.Unary.path;
      const call = this.makeUnaryRequest(path, same, same, message, metadataOf(fields), options, (_error, value) => {
        answer = value ?? null;
      });
      call.on('metadata', (metadata) => (head = metadata));
      call.on('status', ({ code, details, metadata }) =>
        setImmediate(() => resolve({ message: answer, code, details, head, trailer: metadata })),
      );
    });
  }

  serverStream(message: Buffer, fields: Record<string, string | Buffer> = {}): ClientReadableStream<Buffer> {
    return this.makeServerStreamRequest(DEFINITION.ServerStream.path, same, same, message, metadataOf(fields));
  }

  bidi(fields: Record<string, string | Buffer> = {}) {
    return this.makeBidiStreamRequest<Buffer, Buffer>(DEFINITION.Bidi.path, same, same, metadataOf(fields));
  }

  /** What the server counted of the bytes. */
  async clientStream(messages: readonly Buffer[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = this.makeClientStreamRequest<Buffer, Buffer>(
        DEFINITION.ClientStream.path,
        same,
        same,
        new Metadata(),
        (error, value) => (error === null ? resolve(Number(value?.toString())) : reject(error)),
      );
      for (const message of messages) call.write(message);
      call.end();
    });
  }
}

function metadataOf(fields: Record<string, string | Buffer>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
}

/** Resolves with how a streaming call ended. */
export function ended(call: {
  on(event: 'status', listener: (status: { code: number; details: string; metadata: Metadata }) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
}): Promise<{ code: number; details: string; metadata: Metadata }> {
  call.on('error', () => undefined);
  return new Promise((resolve) => call.on('status', resolve));
}
