// The moment between the first take and the word that a worker is ready: tasks run already, so all holds for them that holds later.
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import {
  type Bootstep,
  runWorkerProgram,
  type SignalSource,
  startWorker,
  WORKER_EXIT,
  type WorkerHost,
} from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

interface Early extends AsyncDisposable {
  readonly exit: Promise<number>;
  readonly ready: () => boolean;
  /** How the shutdown was announced. */
  readonly told: readonly string[];
  readonly host: () => WorkerHost | undefined;
  send(signal: NodeJS.Signals): void;
  /** The worker may be ready. */
  open(): void;
}

/** A worker program in which `body` runs although it is not ready. */
async function early(body: (signal: AbortSignal) => unknown): Promise<Early> {
  const memory = `memory://${uuid()}`;
  const app = new Lovage('shop', { brokerUrl: memory, resultBackend: memory }, { environment: {} });
  const started = vi.fn();
  const task = app.task('early', { bind: true, params: [] }, (ctx) => {
    started();
    return body(ctx.signal);
  });
  const gate = Promise.withResolvers<void>();
  let host: WorkerHost | undefined;
  const waits: Bootstep<WorkerHost> = {
    name: 'waits',
    start: async (given) => {
      host = given;
      given.beforeReady.push(gate.promise);
    },
  };
  const ready = vi.fn();
  app.signals.on('workerReady', ready);
  const told: string[] = [];
  app.signals.on('workerShuttingDown', ({ how, cause, exitCode }) => void told.push(`${how} ${cause} ${exitCode}`));
  await task.delay();
  const source = new EventEmitter();
  const signals = { source: source as unknown as SignalSource };
  const exit = runWorkerProgram(app, { banner: false, steps: [waits], signals });
  await soon(() => expect(started).toHaveBeenCalled());
  return {
    exit,
    told,
    ready: () => ready.mock.calls.length > 0,
    host: () => host,
    send: (signal) => void source.emit(signal, signal),
    open: gate.resolve,
    [Symbol.asyncDispose]: () => app.close(),
  };
}

describe('a worker that has taken its first tasks and is not ready yet', () => {
  it('is stopped warmly: they come to their ends', async () => {
    const end = Promise.withResolvers<void>();
    const aborted = vi.fn();
    await using p = await early((signal) => {
      signal.addEventListener('abort', aborted);
      return end.promise;
    });
    expect(p.ready()).toBe(false);
    p.send('SIGTERM');
    // As many turns as an interruption would have needed.
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    end.resolve();
    p.open();
    expect(await p.exit).toBe(WORKER_EXIT.clean);
    expect(aborted).not.toHaveBeenCalled();
    expect(p.told).toEqual(['warm SIGTERM 0']);
    expect(p.ready()).toBe(false);
  });

  it('ends when one of its parts breaks', async () => {
    await using p = await early(() => undefined);
    p.host()?.fail(new Error('The pool is broken.'));
    p.open();
    expect(await p.exit).toBe(WORKER_EXIT.failure);
  });

  it('outlives what its tasks leave behind', async () => {
    const before = process.listenerCount('unhandledRejection');
    let during = 0;
    await using p = await early(() => {
      during = process.listenerCount('unhandledRejection');
    });
    p.open();
    await soon(() => expect(p.ready()).toBe(true));
    p.send('SIGTERM');
    expect(await p.exit).toBe(WORKER_EXIT.clean);
    expect([during, process.listenerCount('unhandledRejection')]).toEqual([before + 1, before]);
  });
});

it('a part that breaks while others start ends the start, with its reason', async () => {
  const memory = `memory://${uuid()}`;
  await using app = new Lovage('shop', { brokerUrl: memory, resultBackend: memory }, { environment: {} });
  const waits: Bootstep<WorkerHost> = {
    name: 'waits',
    start: (host, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        host.fail(new Error('No slot can start.'));
      }),
  };
  await expect(startWorker(app, { steps: [waits] })).rejects.toThrow('No slot can start.');
});

it('a worker that gives itself up says which exit code is to be expected', async () => {
  const memory = `memory://${uuid()}`;
  await using app = new Lovage('shop', { brokerUrl: memory, resultBackend: memory }, { environment: {} });
  const told: string[] = [];
  app.signals.on('workerShuttingDown', ({ how, exitCode }) => void told.push(`${how} ${exitCode}`));
  const worker = await startWorker(app);
  worker.host?.retire('There are too many.');
  expect(await worker.closed).toBe(WORKER_EXIT.failure);
  expect(told).toEqual(['warm 1']);
});
