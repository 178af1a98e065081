// The stages of a shutdown, their signals, and what the exit codes tell.
import { EventEmitter } from 'node:events';
import { url } from 'node:inspector';
import { describe, expect, it, vi } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import {
  type Bootstep,
  type ProgramOptions,
  type RunOptions,
  runWorkerProgram,
  type SignalOptions,
  type SignalSource,
  startWorker,
  WORKER_EXIT,
  type WorkerHost,
} from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

interface Program extends AsyncDisposable {
  readonly app: Lovage;
  readonly exit: Promise<number>;
  /** `how cause exitCode` of each announcement. */
  readonly told: readonly string[];
  send(signal: NodeJS.Signals): void;
  /** Has the task begun? */
  started(): boolean;
  /** Messages that wait. */
  waiting(): Promise<number>;
}

/** A worker program of one task, which runs until its signal aborts, or for ever. */
async function program(
  options: { signals?: SignalOptions; settings?: SettingsInput; deaf?: boolean; idle?: boolean; more?: ProgramOptions } = {},
): Promise<Program> {
  const name = uuid();
  const memory = `memory://${name}`;
  const app = new Lovage('shop', { brokerUrl: memory, resultBackend: memory, ...options.settings }, { environment: {} });
  const told: string[] = [];
  app.signals.on('workerShuttingDown', ({ how, cause, exitCode }) => void told.push(`${how} ${cause} ${exitCode}`));
  const started = vi.fn();
  const busy = app.task('busy', { bind: true }, (ctx) => {
    started();
    return new Promise((_, reject) => {
      if (options.deaf !== true) ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason));
    });
  });
  const source = new EventEmitter();
  const ready = vi.fn();
  app.signals.on('workerReady', ready);
  const exit = runWorkerProgram(app, {
    banner: false,
    hostname: 'w1@box',
    signals: { source: source as unknown as SignalSource, ...options.signals },
    ...options.more,
  });
  await soon(() => expect(ready).toHaveBeenCalled());
  if (options.idle !== true) {
    await busy.delay();
    await soon(() => expect(started).toHaveBeenCalled());
  }
  return {
    app,
    exit,
    told,
    send: (signal) => void source.emit(signal, signal),
    started: () => started.mock.calls.length > 0,
    waiting: async () => (await (await app.openBroker('read')).count('celery'))?.ready ?? 0,
    [Symbol.asyncDispose]: () => app.close(),
  };
}

describe('a worker program', () => {
  it('that is idle ends with 0, however it is asked', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) {
      await using p = await program({ idle: true });
      p.send(signal);
      expect(await p.exit).toBe(WORKER_EXIT.clean);
      expect(p.told).toEqual([`${signal === 'SIGQUIT' ? 'cold' : 'warm'} ${signal} 0`]);
    }
  });

  it('ends coldly at QUIT: what ran goes back uncounted, and the code says so', async () => {
    await using p = await program();
    p.send('SIGQUIT');
    expect(await p.exit).toBe(WORKER_EXIT.interrupted);
    expect(p.told).toEqual(['cold SIGQUIT 3']);
    expect(await p.waiting()).toBe(1);
    const [message] = await (await p.app.openBroker('read')).peek('celery', 1);
    expect(message?.headers['x-lovage-attempts'] ?? 0).toBe(0);
  });

  it('ends coldly at a second INT or TERM, and hard at a third INT while that still waits', async () => {
    await using p = await program({ deaf: true });
    p.send('SIGTERM');
    p.send('SIGINT');
    p.send('SIGTERM');
    expect(await Promise.race([p.exit, Promise.resolve('runs')])).toBe('runs');
    p.send('SIGINT');
    expect(await p.exit).toBe(WORKER_EXIT.failure);
    expect(p.told).toEqual(['warm SIGTERM 0', 'cold SIGINT 3']);
  });

  it('treats TERM as QUIT where it is told to', async () => {
    await using p = await program({ signals: { termIsQuit: true } });
    p.send('SIGTERM');
    expect(await p.exit).toBe(WORKER_EXIT.interrupted);
    expect(p.told).toEqual(['cold SIGTERM 3']);
  });

  it('waits softly before it is cold, until the next signal', async () => {
    await using p = await program({ settings: { workerSoftShutdownTimeout: 3600 } });
    p.send('SIGQUIT');
    p.send('SIGQUIT');
    expect(await p.exit).toBe(WORKER_EXIT.interrupted);
    expect(p.told).toEqual(['warm SIGQUIT 0', 'cold SIGQUIT 3']);
  });

  it('waits softly for a task that runs beside the pool, too', async () => {
    const beside: Bootstep<WorkerHost> = {
      name: 'beside',
      requires: ['pool'],
      start: async ({ pool, parts }) => {
        if (pool !== undefined)
          Object.assign(pool, {
            alone: async (job: Parameters<typeof pool.run>[0], { signal, onStart }: RunOptions) =>
              parts.execute(job, { signal, ...(onStart === undefined ? {} : { onStart }) }),
          });
      },
    };
    await using p = await program({
      idle: true,
      settings: { workerSoftShutdownTimeout: 3600 },
      more: { steps: [beside] },
    });
    await p.app.sendTask('busy', { headers: { 'x-lovage-attempts': 1 } });
    await soon(() => expect(p.started()).toBe(true));
    p.send('SIGQUIT');
    expect(p.told).toEqual(['warm SIGQUIT 0']);
    p.send('SIGQUIT');
    expect(await p.exit).toBe(WORKER_EXIT.interrupted);
    expect(p.told).toEqual(['warm SIGQUIT 0', 'cold SIGQUIT 3']);
  });

  it('starts anew at HUP, unless somebody is in a hurry', async () => {
    const restart = vi.fn();
    await using p = await program({ idle: true, signals: { restart } });
    p.send('SIGHUP');
    expect(await p.exit).toBe(WORKER_EXIT.clean);
    expect(restart).toHaveBeenCalledOnce();
    await using q = await program({ signals: { restart } });
    q.send('SIGHUP');
    q.send('SIGTERM');
    expect(await q.exit).toBe(WORKER_EXIT.interrupted);
    expect(restart).toHaveBeenCalledOnce();
  });

  it('reports what runs at USR1', async () => {
    const text: string[] = [];
    await using p = await program({ signals: { write: (part) => void text.push(part) } });
    p.send('SIGUSR1');
    expect(text.join('\n')).toMatch(/w1@box pid \d+ \(running\)[\s\S]*1 running[\s\S]*\d s {2}busy\[[\s\S]*line: subscribed/);
    p.send('SIGQUIT');
    await p.exit;
  });

  it('opens the debugger at USR2 only where that is allowed', async () => {
    await using p = await program({ idle: true });
    p.send('SIGUSR2');
    expect(url()).toBeUndefined();
    p.send('SIGTERM');
    await p.exit;
  });

  it('gives what ran past shutdownTimeout back and says so', async () => {
    await using p = await program({ more: { shutdownTimeout: 0.02 } });
    p.send('SIGTERM');
    expect(await p.exit).toBe(WORKER_EXIT.interrupted);
    expect(await p.waiting()).toBe(1);
  });
});

describe('the signals of a worker', () => {
  const NAMES = [
    'importModules',
    'celerydInit',
    'workerInit',
    'setupLogging',
    'afterSetupLogger',
    'afterSetupTaskLogger',
    'celerydAfterSetup',
    'workerProcessInit',
    'workerReady',
    'workerShuttingDown',
    'workerShutdown',
  ] as const;

  it('come in Celery’s order, for every cause of an end', async () => {
    const memory = `memory://${uuid()}`;
    await using app = new Lovage('shop', { brokerUrl: memory, resultBackend: memory }, { environment: {} });
    const told: string[] = [];
    for (const name of NAMES) if (name !== 'setupLogging') app.signals.on(name, () => void told.push(name));
    const source = new EventEmitter();
    const exit = runWorkerProgram(app, {
      banner: false,
      pool: 'solo',
      logging: { level: 'CRITICAL', write: () => undefined },
      signals: { source: source as unknown as SignalSource },
    });
    await soon(() => expect(told).toContain('workerReady'));
    source.emit('SIGTERM', 'SIGTERM');
    expect(await exit).toBe(0);
    expect(told).toEqual(NAMES.filter((name) => name !== 'setupLogging'));
    told.length = 0;
    const worker = await startWorker(app, { pool: 'solo' });
    await worker.stop();
    expect(told.slice(-2)).toEqual(['workerShuttingDown', 'workerShutdown']);
  });

  it('setupLogging takes logging over', async () => {
    const memory = `memory://${uuid()}`;
    await using app = new Lovage('shop', { brokerUrl: memory, resultBackend: memory }, { environment: {} });
    const told: unknown[] = [];
    app.signals.on('setupLogging', (payload) => void told.push(payload));
    app.signals.on('afterSetupLogger', () => void told.push('set up all the same'));
    const write = vi.fn();
    const source = new EventEmitter();
    const ready = vi.fn();
    app.signals.on('workerReady', ready);
    const exit = runWorkerProgram(app, {
      banner: false,
      hostname: 'w1@box',
      logging: { level: 'INFO', write, file: '/nowhere/%n.log' },
      signals: { source: source as unknown as SignalSource },
    });
    await soon(() => expect(ready).toHaveBeenCalled());
    source.emit('SIGTERM', 'SIGTERM');
    await exit;
    expect(told).toMatchObject([{ loglevel: 'INFO', logfile: '/nowhere/w1.log', colorize: false }]);
    expect(write).not.toHaveBeenCalled();
  });
});
