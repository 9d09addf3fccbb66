import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorRegistry, isBalsaError, LogLevel, type Timer } from '@balsa/raft-core';
import type { Registry } from 'prom-client';
import { listenOn, type ListenAddress, type ListenOptions } from '../server/resp-server.ts';
import type { KvService } from '../server/service.ts';
import { HttpRefusal, sendJson } from './json.ts';
import { metricsRegistry } from './metrics.ts';
import { routes } from './routes.ts';

/** Health, status, metrics and administration of one node. No authentication: it listens on loopback unless told otherwise. */
export class HttpServer {
  readonly #service: KvService;
  readonly #registry: Registry;
  readonly #server: Server;

  constructor(service: KvService) {
    this.#service = service;
    this.#registry = metricsRegistry(service);
    this.#server = createServer({ maxHeaderSize: 16 * 1024, requestTimeout: 30_000 }, (request, response) => {
      void this.#handle(request, response);
    });
    this.#server.maxConnections = service.limits.maxHttpConnections;
  }

  listen(options: ListenOptions): Promise<ListenAddress> {
    return listenOn(this.#server, options, 'HTTP');
  }

  async stop(): Promise<void> {
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeIdleConnections();
      timer = this.#service.env.setTimer(this.#service.limits.drainMs, () => {
        this.#server.closeAllConnections();
      });
    });
    timer?.cancel();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response);
    } catch (problem) {
      this.#refuse(problem, response);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? '/';
    const methods = routes.get(path);
    if (methods === undefined) {
      throw new HttpRefusal(
        404,
        'NOT_FOUND',
        `there is no ${path.slice(0, 100)}; there are ${[...routes.keys()].join(', ')}`,
      );
    }
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
    const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (route === undefined) {
      const allowed = Object.keys(methods).join(', ');
      response.setHeader('allow', allowed);
      throw new HttpRefusal(
        405,
        'METHOD_NOT_ALLOWED',
        `${path} takes ${allowed}, not ${method.slice(0, 20)}`,
      );
    }
    await route({ service: this.#service, registry: this.#registry }, request, response);
  }

  #refuse(problem: unknown, response: ServerResponse): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The body may not have been read to its end, so the connection is of no use for another request.
    response.setHeader('connection', 'close');
    if (problem instanceof HttpRefusal) {
      sendJson(response, problem.status, { code: problem.code, message: problem.message });
    } else if (isBalsaError(problem)) {
      const { http } = errorRegistry[problem.code];
      const { code, message, retryable, outcome, remedy } = problem;
      sendJson(response, http, { code, message, retryable, outcome, remedy });
    } else {
      this.#service.env.log.log(LogLevel.Error, `kv: an HTTP request failed: ${String(problem)}`, {
        error: problem,
      });
      sendJson(response, 500, { code: 'INTERNAL', message: 'internal error, see the log of the server' });
    }
  }
}
