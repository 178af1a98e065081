// How a worker is, over HTTP and in a file.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { ConfigurationError, uuid } from '../../../src/util/index.ts';
import type { Health } from '../../../src/worker/health.ts';
import { serveHealth } from '../../../src/worker/health-server.ts';
import { startWorker, type Worker } from '../../../src/worker/index.ts';
import { testFolder } from '../../support/folder.ts';

function shop(settings: SettingsInput = {}): Lovage {
  const memory = `memory://${uuid()}`;
  return new Lovage('shop', { brokerUrl: memory, resultBackend: memory, ...settings }, { environment: {} });
}

const portOf = (worker: Worker): number => (worker.info().health as { readonly port: number }).port;
const ask = (port: number, path: string, method = 'GET'): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, { method, signal: AbortSignal.timeout(5000) });

describe('the health of a worker', () => {
  it('is asked for over HTTP while it works, and while it stops', async () => {
    await using app = shop({ healthPort: 0 });
    const open = Promise.withResolvers<string>();
    const started = Promise.withResolvers<void>();
    const slow = app.task('slow', () => {
      started.resolve();
      return open.promise;
    });
    await using worker = await startWorker(app, { hostname: 'w1@box' });
    const port = portOf(worker);
    const live = await ask(port, '/livez');
    expect([live.status, await live.json()]).toMatchObject([
      200,
      { status: 'ok', reasons: [], seconds_since: { last_message: expect.any(Number) as unknown, lease_renewal: null } },
    ]);
    expect((await ask(port, '/readyz')).status).toBe(200);
    const result = await slow.delay();
    await started.promise;
    const stopping = worker.stop();
    const ready = await ask(port, '/readyz');
    expect([ready.status, await ready.json()]).toMatchObject([503, { status: 'failing', reasons: ['the worker stops'] }]);
    expect((await ask(port, '/livez')).status).toBe(200);
    open.resolve('done');
    await stopping;
    expect(await result.get({ timeout: 5 })).toBe('done');
    await expect(ask(port, '/livez')).rejects.toThrow();
  });

  it('has figures for Prometheus', async () => {
    await using app = shop();
    const add = app.task('math.add', (x: number, y: number) => x + y);
    const fail = app.task('odd "name"\\', () => Promise.reject(new Error('no')));
    await using worker = await startWorker(app, { hostname: 'w1@box', healthPort: 0, concurrency: 7 });
    await (await add.delay(1, 2)).get({ timeout: 5 });
    await (await fail.delay()).whenReady({ timeout: 5 });
    const response = await ask(portOf(worker), '/metrics');
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    const text = await response.text();
    for (const line of [
      'lovage_worker_ready{node="w1@box"} 1',
      'lovage_worker_tasks_started_total{node="w1@box",task="math.add"} 1',
      'lovage_worker_tasks_started_total{node="w1@box",task="odd \\"name\\"\\\\"} 1',
      'lovage_worker_tasks_ended_total{node="w1@box",state="SUCCESS"} 1',
      'lovage_worker_tasks_ended_total{node="w1@box",state="FAILURE"} 1',
      'lovage_worker_slots{node="w1@box"} 7',
      '# TYPE lovage_worker_connections_total counter',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/lovage_worker_loop_delay_seconds\{node="w1@box",quantile="0\.99"\} \d/);
    // Every line is a comment or a sample.
    for (const line of text.trim().split('\n')) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? -?[\d.e+-]+)$/);
  });

  it('answers nothing else, and nobody else', async () => {
    await using app = shop();
    await using worker = await startWorker(app, { healthPort: 0 });
    const port = portOf(worker);
    expect((await ask(port, '/')).status).toBe(404);
    expect((await ask(port, '/livez', 'POST')).status).toBe(405);
    expect((await ask(port, '/livez', 'HEAD')).status).toBe(200);
    await using taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const other = (taken.address() as AddressInfo).port;
    for (const bad of [other, 70_000]) await expect(startWorker(app, { healthPort: bad })).rejects.toThrow(ConfigurationError);
  });

  it('is told although others hold all connections and ask nothing', async () => {
    const fine = { ok: true, reasons: [] };
    const health: Health = {
      alive: () => fine,
      ready: () => fine,
      ages: () => ({ lastMessage: undefined, brokerAnswer: undefined, leaseRenewal: undefined }),
      metrics: () => '',
      [Symbol.dispose]: () => undefined,
    };
    await using server = await serveHealth(health, { host: '127.0.0.1', port: 0 }, 50);
    const idle = Array.from({ length: 64 }, async () => {
      const socket = connect(server.port, '127.0.0.1').resume();
      await once(socket, 'connect');
      return once(socket, 'close');
    });
    await Promise.all(idle);
    expect((await ask(server.port, '/livez')).status).toBe(200);
  });

  it('is a file too, which goes away with the worker', async () => {
    const path = join(testFolder('health'), 'run/%n.alive');
    await using app = shop({ heartbeatFile: path });
    const worker = await startWorker(app, { hostname: 'w1@box' });
    const file = path.replace('%n', 'w1');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid, time: expect.any(String) as unknown });
    await worker.stop();
    expect(existsSync(file)).toBe(false);
    await expect(startWorker(app, { heartbeatFile: '/dev/null/alive' })).rejects.toThrow('/dev/null/alive');
  });

  it('is measured by nobody when nobody asks', async () => {
    await using app = shop();
    await using worker = await startWorker(app);
    expect(worker.info()).not.toHaveProperty('health');
  });
});
