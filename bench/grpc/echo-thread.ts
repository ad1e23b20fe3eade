/** The thread of the gRPC bench's server: @grpc/grpc-js, answers what it gets; says its port. */
import { parentPort } from 'node:worker_threads';
import { GrpcEcho } from '../../test/support/grpc-echo.js';

const echo = await GrpcEcho.start();
parentPort?.postMessage(echo.port);
