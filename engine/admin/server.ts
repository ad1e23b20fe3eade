/** Admin: the HTTP server on the admin address: one table of routes, answered as Envoy answers them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Acceptor } from '../acceptor.js';
import type { Publisher } from '../control/publish.js';
import type { PlanRegistry } from '../control/registry.js';
import type { Supervisor } from '../control/supervise.js';
import type { Address } from '../io/transport.js';
import type { Life } from '../life.js';
import type { Log } from '../log.js';
import { Totals } from '../metrics/totals.js';
import type { Options } from '../options.js';
import { compileRegex } from '../format/regex.js';
import { renderPrometheus } from './prometheus.js';
import { counters, histograms, renderJson, renderText, type StatsQuery } from './stats.js';
import { certsJson } from './certificates.js';
import * as views from './views.js';

export interface AdminParts {
  readonly options: Options;
  readonly log: Log;
  readonly registry: PlanRegistry;
  readonly supervisor: Supervisor;
  readonly acceptor: Acceptor;
  readonly publisher: Publisher;
  readonly life: Life;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** Runs once the answer has left. */
  readonly after?: () => void;
}

interface Route {
  readonly help: string;
  /** It changes something: POST only. */
  readonly isPost?: boolean;
  readonly answer: (parts: AdminParts, totals: Totals, query: URLSearchParams) => Answer | Promise<Answer>;
}

function text(body: string, status = 200): Answer {
  return { status, type: 'text/plain; charset=UTF-8', body };
}
function json(value: unknown): Answer {
  return {
    status: 200,
    type: 'application/json',
    body: typeof value === 'string' ? value : JSON.stringify(value, null, 1),
  };
}
const OK = text('OK\n');

const ROUTES: Readonly<Record<string, Route>> = {
  '/certs': {
    help: 'certificates in use',
    answer: (parts) => json(certsJson(parts.publisher.certificates, Date.now())),
  },
  '/clusters': {
    help: 'upstream cluster status',
    answer: (parts, totals, query) =>
      query.get('format') === 'json'
        ? json(views.clustersJson(parts, totals))
        : text(views.clustersText(parts, totals)),
  },
  '/config_dump': { help: 'the config in force', answer: (parts) => json(views.configDump(parts)) },
  '/drain_listeners': {
    help: 'stop accepting; ?inboundonly; ?graceful: drain connections too, then exit (&skip_exit: do not)',
    isPost: true,
    answer: (parts, _totals, query) => {
      if (query.has('inboundonly')) {
        if (query.has('graceful'))
          return text('error: connections drain together: graceful and inboundonly are not supported at once\n', 400);
        parts.life.stopListeningInbound();
      } else if (query.has('graceful')) {
        if (query.has('skip_exit')) parts.life.drain();
        else void parts.life.drainAndExit('/drain_listeners');
      } else parts.life.stopListening();
      return OK;
    },
  },
  '/healthcheck/fail': {
    help: 'make /ready fail',
    isPost: true,
    answer: (parts) => {
      parts.life.isFailing = true;
      return OK;
    },
  },
  '/healthcheck/ok': {
    help: 'undo /healthcheck/fail',
    isPost: true,
    answer: (parts) => {
      parts.life.isFailing = false;
      return OK;
    },
  },
  '/help': { help: 'this list', answer: () => text(helpText()) },
  '/listeners': {
    help: 'listener addresses',
    answer: (parts, _totals, query) =>
      query.get('format') === 'json' ? json(views.listenersJson(parts)) : text(views.listenersText(parts)),
  },
  '/logging': {
    help: 'log level: ?level=debug',
    isPost: true,
    answer: (parts, _totals, query) => setLevel(parts, query),
  },
  '/memory': { help: 'memory in bytes', answer: () => json(views.memory()) },
  '/quitquitquit': {
    help: 'exit now',
    isPost: true,
    answer: (parts) => ({ ...OK, after: () => void parts.life.exit() }),
  },
  '/ready': {
    help: '200 LIVE when serving',
    answer: (parts) => {
      const isLive = parts.life.state === 'LIVE' && !parts.life.isFailing;
      return text(
        `${isLive ? 'LIVE' : parts.life.state === 'LIVE' ? 'DRAINING' : parts.life.state}\n`,
        isLive ? 200 : 503,
      );
    },
  },
  '/reopen_logs': {
    help: 'reopen access logs',
    isPost: true,
    answer: (parts) => {
      parts.life.reopenLogs();
      return OK;
    },
  },
  '/reset_counters': {
    help: 'set counters to zero',
    isPost: true,
    answer: (parts, totals) => {
      views.resetCounters(parts.registry, totals);
      return OK;
    },
  },
  '/server_info': { help: 'version, state, options', answer: (parts) => json(views.serverInfo(parts)) },
  '/stats': { help: 'statistics: ?usedonly&filter=REGEX&format=json|prometheus&type=Counters', answer: stats },
  '/stats/prometheus': {
    help: 'statistics for Prometheus',
    answer: (parts, totals, query) => prometheus(parts, totals, query),
  },
  '/workers': { help: 'what each worker thread has', answer: async (parts) => json(await views.workers(parts)) },
};

const TEST_ROUTES: Readonly<Record<string, Route>> = {
  '/test/kill_worker': {
    help: 'test hook',
    isPost: true,
    answer: (parts, _totals, query) => {
      parts.supervisor.workers[Number(query.get('index') ?? 0)]?.send({ kind: 'die' });
      return OK;
    },
  },
};

function helpText(): string {
  const width = Math.max(...Object.keys(ROUTES).map((path) => path.length));
  const lines = Object.entries(ROUTES).map(
    ([path, { help, isPost }]) => `  ${path.padEnd(width)}  ${help}${isPost ? ' (POST)' : ''}`,
  );
  return `admin commands are:\n${lines.join('\n')}\n`;
}

function setLevel(parts: AdminParts, query: URLSearchParams): Answer {
  const level = query.get('level') ?? query.get('paths');
  if (level === null) return text(`active loggers:\n  main: ${parts.log.level}\n`);
  const found = (['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const).find(
    (each) => each === level,
  );
  if (found === undefined) return text(`error: unknown level ${level}\n`, 400);
  parts.log.level = found;
  return text(`active loggers:\n  main: ${found}\n`);
}

function queryOf(query: URLSearchParams): StatsQuery {
  const filter = query.get('filter');
  return {
    usedOnly: query.has('usedonly'),
    filter: filter === null ? null : compileRegex(filter),
    type: query.get('type') ?? '',
  };
}

function stats(parts: AdminParts, totals: Totals, query: URLSearchParams): Answer {
  if (query.get('format') === 'prometheus') return prometheus(parts, totals, query);
  const wanted = queryOf(query);
  const values = counters(parts.registry, totals, views.readings(parts), wanted);
  const found = histograms(parts.registry, totals, wanted);
  return query.get('format') === 'json' ? json(renderJson(values, found)) : text(renderText(values, found));
}

function prometheus(parts: AdminParts, totals: Totals, query: URLSearchParams): Answer {
  return text(renderPrometheus(parts.registry, totals, views.readings(parts), query.has('usedonly')));
}

export class AdminServer {
  readonly #parts: AdminParts;
  readonly #totals: Totals;
  readonly #server: Server;
  readonly #routes: Readonly<Record<string, Route>>;

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.#totals = new Totals(parts.supervisor.metricsMemories);
    this.#routes = parts.options.hasTestHooks ? { ...ROUTES, ...TEST_ROUTES } : ROUTES;
    this.#server = createServer((request, response) => void this.#onRequest(request, response));
    this.#server.unref();
  }

  listen(address: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const target = address.family === 'unix' ? { path: address.host } : { host: address.host, port: address.port };
      this.#server.listen(target, () => resolve());
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      // A query that can't be read (a filter that is no expression) must not end the process.
      answer = text(`error: ${error instanceof Error ? error.message : String(error)}\n`, 400);
    }
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'cache-control': 'no-cache, max-age=0',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body, answer.after);
  }

  #answer(request: IncomingMessage): Answer | Promise<Answer> {
    const url = new URL(`http://admin${request.url ?? '/'}`);
    if (url.pathname === '/') return { status: 200, type: 'text/html; charset=UTF-8', body: indexPage(this.#routes) };
    const route = Object.hasOwn(this.#routes, url.pathname) ? this.#routes[url.pathname] : undefined;
    if (route === undefined) return text(`invalid path. ${helpText()}`, 404);
    if (route.isPost === true && request.method !== 'POST')
      return text(`Method Not Allowed: ${url.pathname} changes the server: use POST\n`, 405);
    return route.answer(this.#parts, this.#totals, url.searchParams);
  }
}

function indexPage(routes: Readonly<Record<string, Route>>): string {
  const rows = Object.entries(routes).map(([path, { help, isPost }]) => {
    const link =
      isPost === true
        ? `<form action="${path}" method="post"><button>${path}</button></form>`
        : `<a href="${path}">${path}</a>`;
    return `<tr><td>${link}</td><td>${help}</td></tr>`;
  });
  return `<!doctype html><meta name="viewport" content="width=device-width"><title>millrace admin</title><style>body{font:14px system-ui;color-scheme:light dark;margin:2em}td{padding:.2em 1em .2em 0}</style><h1>millrace</h1><table>${rows.join('')}</table>`;
}
