// Settings that change how a worker lives: its own queue, its shutdown, its log lines.

import { EventEmitter } from 'node:events';
import { configure, type LogRecord, reset } from '@logtape/logtape';
import { describe, expect, it, vi } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { runWorkerProgram, type SignalSource, startWorker, WORKER_EXIT } from '../../../src/worker/index.ts';
import { textLine } from '../../../src/worker/logging.ts';
import { soon } from '../../support/worker-app.ts';

function setup(settings: SettingsInput = {}): Lovage {
  const url = `memory://${uuid()}`;
  return new Lovage('shop', { brokerUrl: url, resultBackend: url, taskDefaultQueue: uuid(), ...settings }, { environment: {} });
}

class FakeProcess extends EventEmitter {}

describe('workerDirect', () => {
  it('gives each worker a queue of its own, which everybody reaches by its name', async () => {
    await using app = setup({ workerDirect: true });
    const where = app.task('where', { bind: true, params: [] }, (ctx) => ctx.request.hostname);
    await using one = await startWorker(app, { hostname: 'one@h' });
    await using _two = await startWorker(app, { hostname: 'two@h' });
    expect(one.facts?.parts.queueLines.at(-1)).toEqual({
      name: 'one@h.dq2',
      exchange: 'C.dq2',
      exchangeType: 'direct',
      routingKey: 'one@h',
    });
    for (let call = 0; call < 5; call++) {
      const result = await where.applyAsync([], { exchange: 'C.dq2', routingKey: 'one@h' });
      expect(await result.get({ timeout: 5 })).toBe('one@h');
    }
    expect(await (await where.applyAsync([], { queue: 'two@h.dq2' })).get({ timeout: 5 })).toBe('two@h');
  });
});

describe('workerSoftShutdownTimeout', () => {
  async function quit(seconds: number, end: (finish: () => void, send: () => void) => void): Promise<[number, string[]]> {
    await using app = setup({ workerSoftShutdownTimeout: seconds });
    const open = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const told: string[] = [];
    app.signals.on('workerShuttingDown', ({ how }) => void told.push(how));
    const slow = app.task('slow', { bind: true, params: [] }, async (ctx) => {
      started.resolve();
      ctx.signal.addEventListener('abort', () => open.reject(ctx.signal.reason));
      await open.promise;
    });
    const signals = new FakeProcess();
    const exit = runWorkerProgram(app, { signals: { source: signals as SignalSource }, banner: false });
    await slow.delay();
    await started.promise;
    const send = (): void => void signals.emit('SIGQUIT', 'SIGQUIT');
    send();
    end(() => open.resolve(), send);
    return [await exit, told];
  }

  it('lets what runs end by itself before it is aborted', async () => {
    expect(await quit(60, (finish) => finish())).toEqual([0, ['warm']]);
  });

  it('aborts what runs after that', async () => {
    expect(await quit(0.05, () => undefined)).toEqual([WORKER_EXIT.interrupted, ['warm', 'cold']]);
  });

  it('is cut short by a second signal', async () => {
    expect(await quit(60, (_, send) => send())).toEqual([WORKER_EXIT.interrupted, ['warm', 'cold']]);
  });
});

describe('log formats', () => {
  const record = (category: readonly string[], properties: Record<string, unknown> = {}): LogRecord => ({
    category,
    level: 'warning',
    message: ['hello'],
    rawMessage: '',
    timestamp: new Date(2026, 10, 23, 18, 0, 42, 123).getTime(),
    properties,
  });

  it.each([
    ['%(message)s', 'hello'],
    ['[%(asctime)s: %(levelname)s/%(processName)s] %(message)s', '[2026-11-23 18:00:42,123: WARNING/MainProcess] hello'],
    ['%(levelname)-10s|%(levelno)d|%(name)12s|%(msecs)05d', 'WARNING   |30|      lovage|00123'],
    ['100%% %(levelname).4s %(process)d', `100% WARN ${process.pid}`],
  ])('%s', (lineFormat, line) => {
    expect(textLine(record(['lovage']), { lineFormat })).toBe(line);
  });

  it('have one of their own for what tasks write', () => {
    const properties = { task: 'shop.add', id: 'i1' };
    expect(textLine(record(['lovage', 'task'], properties))).toBe(
      '[2026-11-23 18:00:42,123: WARNING/MainProcess] shop.add[i1]: hello',
    );
    expect(textLine(record(['lovage', 'task'], properties), { taskFormat: '%(task_name)s %(message)s' })).toBe('shop.add hello');
    expect(textLine(record(['lovage', 'worker', 'task'], properties), { lineFormat: '%(message)s' })).toBe('hello');
  });

  it('with an unknown part are refused', () => {
    expect(() => textLine(record(['lovage']), { lineFormat: '%(levelnam)s' })).toThrow("Did you mean 'levelname'?");
  });
});

describe('the lines of a worker program', () => {
  it.each([true, false])('go where the application says when workerHijackRootLogger is off (it is %s)', async (hijack) => {
    const own: string[] = [];
    const lines: string[] = [];
    const sink = (record: LogRecord) => void own.push(String(record.message.join('')));
    await configure({
      reset: true,
      sinks: { own: sink },
      loggers: [
        { category: ['lovage'], lowestLevel: 'info', sinks: ['own'] },
        { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['own'] },
      ],
    });
    await using app = setup({ workerHijackRootLogger: hijack, workerRedirectStdouts: false });
    const signals = new FakeProcess();
    const ready = vi.fn();
    app.signals.on('workerReady', ready);
    const logging = { level: 'INFO', write: (line: string) => void lines.push(line) } as const;
    const exit = runWorkerProgram(app, { signals: { source: signals as SignalSource }, banner: false, hostname: 'w@h', logging });
    await soon(() => expect(ready).toHaveBeenCalled());
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await exit).toBe(0);
    await reset();
    const said = [own, lines].map((all) => all.some((line) => line.includes('w@h ready.')));
    expect(said).toEqual(hijack ? [false, true] : [true, false]);
  });

  it('have the formats of the settings, and those of the console of tasks are among them', async () => {
    await using app = setup({
      workerLogFormat: 'worker %(message)s',
      workerTaskLogFormat: 'task %(task_name)s %(levelname)s %(message)s',
      workerRedirectStdouts: true,
      workerRedirectStdoutsLevel: 'ERROR',
    });
    const print = app.task('print', { bind: true, params: [] }, (ctx) => {
      ctx.log.info('from the logger');
      process.stdout.write('a ');
      process.stdout.write('b\nc\n');
      process.stderr.write('no end');
    });
    const lines: string[] = [];
    const signals = new FakeProcess();
    const ready = vi.fn();
    app.signals.on('workerReady', ready);
    const logging = { level: 'INFO', write: (line: string) => void lines.push(line) } as const;
    const { write } = process.stdout;
    const exit = runWorkerProgram(app, { signals: { source: signals as SignalSource }, banner: false, hostname: 'w@h', logging });
    await soon(() => expect(ready).toHaveBeenCalled());
    await (await print.delay()).get({ timeout: 5 });
    await soon(() => expect(lines).toContain('task print ERROR no end\n'));
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await exit).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining([
        'worker w@h ready.\n',
        'task print INFO from the logger\n',
        'task print ERROR a b\n',
        'task print ERROR c\n',
      ]),
    );
    expect(process.stdout.write).toBe(write);
  });
});

describe('workerDisablePrefetch', () => {
  it.each([
    [true, 2],
    [false, 6],
  ])('%s: two slots hold %i messages of ten', async (workerDisablePrefetch, expected) => {
    await using app = setup({ workerDisablePrefetch, workerPrefetchMultiplier: 3 });
    const open = Promise.withResolvers<void>();
    const task = app.task('waits', { params: [] }, () => open.promise);
    const results = await Promise.all(Array.from({ length: 10 }, () => task.delay()));
    await using _worker = await startWorker(app, { concurrency: 2 });
    const broker = await app.openBroker('read');
    const [queue = ''] = app.queueNames();
    await soon(async () => expect(await broker.count(queue)).toMatchObject({ held: expected, ready: 10 - expected }));
    open.resolve();
    await Promise.all(results.map((result) => result.get({ timeout: 5 })));
  });
});
