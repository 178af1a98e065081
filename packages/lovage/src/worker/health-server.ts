// Health over HTTP: three pages for probes and Prometheus, on loopback unless somebody says otherwise. Nothing here reads a body or knows a secret.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigurationError, logger } from '../util/index.ts';
import type { Health, Verdict } from './health.ts';

const log = logger('worker');

/** Connections at once; probes need one. */
const MAX_CONNECTIONS = 64;
/** Milliseconds in which a request must have come. */
const REQUEST_MS = 5000;
/** Milliseconds between two looks for connections whose request has not. */
const LOOK_MS = 1000;

/** A server that listens. */
export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' });
  response.end(body);
}

function tell(response: ServerResponse, verdict: Verdict, health: Health): void {
  const { lastMessage, brokerAnswer, leaseRenewal } = health.ages();
  const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 1000) / 1000);
  const body = JSON.stringify({
    status: verdict.ok ? 'ok' : 'failing',
    reasons: verdict.reasons,
    seconds_since: {
      last_message: rounded(lastMessage),
      broker_answer: rounded(brokerAnswer),
      lease_renewal: rounded(leaseRenewal),
    },
  });
  answer(response, verdict.ok ? 200 : 503, 'application/json', `${body}\n`);
}

async function listening(server: Server, { host, port }: Address): Promise<void> {
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error).replace(/\.$/, '');
    throw new ConfigurationError(
      `The health server cannot listen on ${host}:${port}: ${why}. Give another port (--health-port, healthPort).`,
      { cause: error },
    );
  }
}

/** Listens, and gives up on requests that take longer than `patience` (ms) to come. Throws ConfigurationError when the port cannot be had. */
export async function serveHealth(health: Health, address: Address, patience: number = REQUEST_MS): Promise<HealthServer> {
  const server = createServer(
    {
      requestTimeout: patience,
      headersTimeout: patience,
      keepAliveTimeout: patience,
      connectionsCheckingInterval: Math.min(patience, LOOK_MS),
    },
    (request, response) => {
      request.resume();
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD');
        answer(response, 405, 'text/plain', 'Only GET and HEAD.\n');
        return;
      }
      const [path] = (request.url ?? '/').split('?');
      if (path === '/livez') tell(response, health.alive(), health);
      else if (path === '/readyz') tell(response, health.ready(), health);
      else if (path === '/metrics') answer(response, 200, 'text/plain; version=0.0.4; charset=utf-8', health.metrics());
      else answer(response, 404, 'text/plain', 'There are /livez, /readyz and /metrics.\n');
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, address);
  // A connection that cannot be taken (no file descriptor is free) is no reason to end.
  server.on('error', (error) => log.warning('The health server could not take a connection: {error}', { error }));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}
