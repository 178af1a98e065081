// A whole app with a whole worker, on the memory drivers.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { ConfigurationError, uuid } from '../../../src/util/index.ts';
import { runWorkerProgram, type SignalSource, startWorker, WORKER_EXIT } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

interface Setup extends AsyncDisposable {
  readonly app: Lovage;
  readonly queue: string;
}

function setup(settings: SettingsInput = {}): Setup {
  const name = uuid();
  const queue = `q-${name}`;
  const url = `memory://${name}`;
  const app = new Lovage(
    'shop',
    { brokerUrl: url, resultBackend: url, taskDefaultQueue: queue, ...settings },
    { environment: {} },
  );
  return { app, queue, [Symbol.asyncDispose]: () => app.close() };
}

const ready = async (app: Lovage, queue: string): Promise<number> =>
  (await (await app.openBroker('read')).count(queue))?.ready ?? 0;

/** A process that can be sent signals without anybody dying. */
class FakeProcess extends EventEmitter {
  send(signal: NodeJS.Signals): void {
    this.emit(signal, signal);
  }
}

describe('a worker', () => {
  it('runs tasks and stores what they return', async () => {
    await using s = setup();
    const add = s.app.task('math.add', (x: number, y: number) => x + y);
    await using _worker = await startWorker(s.app, { hostname: 'w1@%h' });
    const result = await add.delay(2, 3);
    expect(await result.get({ timeout: 5 })).toBe(5);
  });

  it('lives beside others in one process', async () => {
    await using s = setup();
    await using t = setup();
    const here = s.app.task('here', () => 'here');
    const there = t.app.task('there', () => 'there');
    await using _first = await startWorker(s.app, { hostname: 'one@h' });
    await using _second = await startWorker(s.app, { hostname: 'two@h' });
    await using _third = await startWorker(t.app, { hostname: 'three@h' });
    expect(await (await here.delay()).get({ timeout: 5 })).toBe('here');
    expect(await (await there.delay()).get({ timeout: 5 })).toBe('there');
  });

  it('takes from the queues of -Q without those of -X', async () => {
    await using s = setup();
    const task = s.app.task('where', { bind: true }, (ctx) => ctx.request.deliveryInfo.routingKey);
    const [a, b] = [`a-${s.queue}`, `b-${s.queue}`];
    await using _worker = await startWorker(s.app, { queues: [a, b], excludeQueues: [b] });
    const taken = await task.applyAsync([], { queue: a });
    await task.applyAsync([], { queue: b });
    await task.delay();
    expect(await taken.get({ timeout: 5 })).toBe(a);
    expect([await ready(s.app, b), await ready(s.app, s.queue)]).toEqual([1, 1]);
  });

  it('refuses to take from nothing', async () => {
    await using s = setup();
    await expect(startWorker(s.app, { queues: ['a'], excludeQueues: ['a'] })).rejects.toThrow(ConfigurationError);
    await expect(startWorker(s.app, { queues: [] })).rejects.toThrow('empty');
  });

  it('refuses heartbeats without a pause, by which no monitor takes it for alive', async () => {
    await using s = setup();
    await expect(startWorker(s.app, { heartbeatInterval: 0 })).rejects.toThrow('--without-heartbeat');
  });

  it('says why a pool cannot start, and what to do', async () => {
    await using s = setup();
    await expect(startWorker(s.app, { pool: 'prefork' })).rejects.toThrow('option module');
    await expect(startWorker(s.app, { pool: 'async', maxTasksPerChild: 5 })).rejects.toThrow('maxTasksPerChild');
    const module = import.meta.url;
    await expect(startWorker(s.app, { pool: 'threads', module })).rejects.toThrow('memory:');
  });

  it('starts further steps before it takes the first task, and stops them after the last', async () => {
    await using s = setup();
    const log: string[] = [];
    const task = s.app.task('t', () => void log.push('task'));
    const result = await task.delay();
    const worker = await startWorker(s.app, {
      steps: [
        {
          name: 'database',
          start: async ({ hostname }) => {
            log.push(`start ${hostname}`);
            return { [Symbol.asyncDispose]: async () => void log.push('stop') };
          },
        },
      ],
      hostname: 'w@h',
    });
    await result.get({ timeout: 5 });
    await worker.stop();
    expect(log).toEqual(['start w@h', 'task', 'stop']);
  });

  it('purges what waits when told to', async () => {
    await using s = setup();
    const ran = vi.fn();
    const task = s.app.task('t', ran);
    await task.delay();
    await using _worker = await startWorker(s.app, { purge: true });
    expect(await ready(s.app, s.queue)).toBe(0);
    expect(ran).not.toHaveBeenCalled();
  });

  it('gives statistics with the keys that Celery’s tools read', async () => {
    await using s = setup();
    await using worker = await startWorker(s.app, { concurrency: 3 });
    expect(worker.info()).toMatchObject({
      pid: process.pid,
      state: 'running',
      prefetch_count: 3,
      total: {},
      pool: { 'max-concurrency': 3 },
    });
  });

  it('holds its own time limit for tasks without one', async () => {
    await using s = setup();
    const slow = s.app.task(
      'slow',
      { bind: true },
      (ctx) => new Promise<string>((resolve) => ctx.signal.addEventListener('abort', () => resolve('aborted'))),
    );
    await using _worker = await startWorker(s.app, { softTimeLimit: 0.02 });
    expect(await (await slow.delay()).get({ timeout: 5 })).toBe('aborted');
  });
});

describe('a shutdown', () => {
  it('that is warm finishes what runs and gives back what waits', async () => {
    await using s = setup();
    const open = Promise.withResolvers<string>();
    const started = vi.fn();
    const slow = s.app.task('slow', () => {
      started();
      return open.promise;
    });
    const worker = await startWorker(s.app, { concurrency: 1 });
    const result = await slow.delay();
    await slow.delay();
    await soon(() => expect(started).toHaveBeenCalledOnce());
    const stopping = worker.stop();
    open.resolve('done');
    await stopping;
    expect(await result.get({ timeout: 5 })).toBe('done');
    expect([await ready(s.app, s.queue), await worker.closed]).toEqual([1, 0]);
  });

  it('past its deadline aborts tasks and gives them back uncounted', async () => {
    await using s = setup();
    let attempts = 0;
    const task = s.app.task('stubborn', { bind: true }, async (ctx) => {
      attempts = ctx.request.attempts;
      if (ctx.request.deliveryInfo.redelivered) return 'second';
      await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
      return 'first';
    });
    const first = await startWorker(s.app, { shutdownTimeout: 0.02 });
    const result = await task.delay();
    await soon(() => expect(attempts).toBe(1));
    await first.stop();
    expect(await first.closed).toBe(WORKER_EXIT.interrupted);
    await using _second = await startWorker(s.app);
    expect(await result.get({ timeout: 5 })).toBe('second');
    expect(attempts).toBe(1);
  });

  it('is asked for by signals: the first is warm, the second cold', async () => {
    await using s = setup();
    const process = new FakeProcess();
    const told: string[] = [];
    s.app.signals.on('workerShuttingDown', ({ how, cause }) => void told.push(`${how} ${cause}`));
    const started = vi.fn();
    const slow = s.app.task('slow', () => {
      started();
      return new Promise(() => undefined);
    });
    const exit = runWorkerProgram(s.app, { signals: { source: process as SignalSource }, banner: false });
    await slow.delay();
    await soon(() => expect(started).toHaveBeenCalled());
    process.send('SIGTERM');
    process.send('SIGTERM');
    expect(await exit).toBe(WORKER_EXIT.interrupted);
    expect(told).toEqual(['warm SIGTERM', 'cold SIGTERM']);
    expect(await ready(s.app, s.queue)).toBe(1);
    expect(process.eventNames()).toEqual([]);
  }, 15_000);

  it('by one TERM or INT ends with 0', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      await using s = setup();
      const process = new FakeProcess();
      const text: string[] = [];
      const running = Promise.withResolvers<void>();
      s.app.signals.on('workerReady', () => running.resolve());
      s.app.task('shown', () => undefined);
      const exit = runWorkerProgram(s.app, {
        signals: { source: process as SignalSource },
        write: (part) => text.push(part),
        hostname: 'w1@h',
      });
      await running.promise;
      process.send(signal);
      expect(await exit).toBe(0);
      expect(text.join('')).toMatch(/w1@h v[\s\S]*\.> app: {9}shop[\s\S]*\.> transport: {3}memory:[\s\S]*\. shown/);
    }
  });
});

describe('messages that cannot be used', () => {
  const { cases } = JSON.parse(readFileSync(new URL('../../vectors/worker-malformed.json', import.meta.url), 'utf8')) as {
    cases: { case: string; raw: string }[];
  };
  /** State stored, value, and the reason of the dead letter. */
  const fates: Readonly<Record<string, readonly [string | undefined, unknown, string | undefined]>> = {
    'no-id': [undefined, undefined, 'malformed'],
    'two-tuple-body': ['FAILURE', undefined, 'malformed'],
    'null-embed': ['SUCCESS', 3, undefined],
    'bad-json-body': ['FAILURE', undefined, 'undecodable'],
    'pickle-content-type': ['FAILURE', undefined, 'refused-content'],
    'unknown-content-type': ['FAILURE', undefined, 'refused-content'],
    'null-headers': [undefined, undefined, 'malformed'],
    'empty-headers': [undefined, undefined, 'malformed'],
    'kwargs-not-mapping': ['FAILURE', undefined, 'malformed'],
    'bad-eta': ['FAILURE', undefined, 'malformed'],
    'null-timelimit': ['SUCCESS', 4, undefined],
    'no-delivery-tag': ['SUCCESS', 4, undefined],
    'no-delivery-info': ['SUCCESS', 4, undefined],
    'minimal-headers': ['SUCCESS', 4, undefined],
    'unregistered-task': ['FAILURE', undefined, 'unknown-task'],
    'utf8-body-encoding': ['SUCCESS', 11, undefined],
    'few-properties': ['SUCCESS', 4, undefined],
    'unknown-compression': ['FAILURE', undefined, 'undecodable'],
    'wrong-argument-count': ['FAILURE', undefined, undefined],
  };

  it.each(cases.filter(({ raw }) => raw.startsWith('{')))('$case', async ({ case: name, raw }) => {
    const envelope = JSON.parse(raw);
    await using s = setup();
    s.app.task('proj.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y);
    const alive = s.app.task('alive', () => 'alive');
    await using _worker = await startWorker(s.app);
    const broker = await s.app.openBroker('write');
    const message = {
      exchange: '',
      routingKey: s.queue,
      headers: envelope.headers,
      properties: { contentType: envelope['content-type'], contentEncoding: envelope['content-encoding'] },
      body: new Uint8Array(Buffer.from(envelope.body, envelope.properties.body_encoding)),
    };
    await broker.publish([message], { signal: AbortSignal.timeout(5000) });
    const [state, value, reason] = fates[name] ?? [];
    await soon(async () => expect(await ready(s.app, deadLetterQueue(s.queue))).toBe(reason === undefined ? 0 : 1));
    const [dead] = reason === undefined ? [] : await broker.peek(deadLetterQueue(s.queue), 1);
    expect((dead?.headers['x-lovage-death'] as { reason?: string } | undefined)?.reason).toBe(reason);
    if (state !== undefined) {
      const result = s.app.result(envelope.headers.id);
      const read = await result.get({ timeout: 5, propagate: false });
      expect(await result.state()).toBe(state);
      if (value !== undefined) expect(read).toBe(value);
    }
    expect(await (await alive.delay()).get({ timeout: 5 })).toBe('alive');
  });

  it('give whoever waits the error that Python knows', async () => {
    await using s = setup();
    await using _worker = await startWorker(s.app);
    const result = await s.app.sendTask('nobody.knows');
    await expect(result.get({ timeout: 5 })).rejects.toMatchObject({ message: expect.stringContaining('nobody.knows') });
  });
});
