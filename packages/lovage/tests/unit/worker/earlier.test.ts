// What a worker does with a message whose earlier attempt died between storing its end and sending what follows it, and what an end
// looks like that no slot wrote.
import { describe, expect, it, vi } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { type Delivery, deadLetterQueue } from '../../../src/broker/index.ts';
import { parseTask } from '../../../src/protocol/index.ts';
import { execute, type Outcome, Reject } from '../../../src/task/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

interface Setup extends AsyncDisposable {
  readonly app: Lovage;
  /** Takes one message, runs it and stores its end as a worker does; dies before it sends or settles anything. */
  die(): Promise<Outcome>;
  left(): Promise<unknown>;
}

/** Broker and results in separate databases, so that no joint commit makes them one. */
function setup(settings: SettingsInput = {}): Setup {
  const queue = `q-${uuid()}`;
  const urls = { brokerUrl: `memory://${uuid()}`, resultBackend: `memory://${uuid()}` };
  const app = new Lovage('shop', { ...urls, taskDefaultQueue: queue, ...settings }, { environment: {} });
  return {
    app,
    die: async () => {
      const broker = await app.openBroker('read');
      const dead = await broker.subscribe([queue], { prefetch: 1, node: 'dead@h' });
      const { value } = await dead[Symbol.asyncIterator]().next();
      const [delivery] = value as Delivery[];
      if (delivery === undefined) throw new Error('nothing came');
      const { request } = parseTask(delivery, { hostname: 'dead@h', decodeBody: () => undefined });
      const job = { request, body: delivery.body, timeLimit: undefined, softTimeLimit: undefined };
      const outcome = await execute(job, app.environment({ hostname: 'dead@h' }));
      await app.results.put(outcome.results);
      await dead.settle([{ verdict: 'requeue', delivery, counted: true }]);
      await dead[Symbol.asyncDispose]();
      return outcome;
    },
    left: async () => {
      const { ready, held } = (await (await app.openBroker('read')).count(queue)) ?? {};
      return { ready, held };
    },
    [Symbol.asyncDispose]: () => app.close(),
  };
}

describe('an attempt that stored its end and died', () => {
  it.each(['SUCCESS', 'FAILURE'] as const)(
    'is not run again after %s, but what follows it is sent under the same id',
    async (state) => {
      await using s = setup();
      const body = vi.fn(() => {
        if (state === 'FAILURE') throw new TypeError('bad value');
        return 'fine';
      });
      const follows = vi.fn();
      s.app.task('ends', { params: [] }, body);
      const next = s.app.task('follows', { bind: true, params: ['of'] }, (ctx, of: string) => follows(ctx.request.id, of));
      const result = await s.app.sendTask('ends', { link: [next.s()], linkError: [next.s()] });
      const died = await s.die();
      expect(died.next).toHaveLength(1);
      await using _worker = await startWorker(s.app);
      await soon(async () => expect(await s.left()).toEqual({ ready: 0, held: 0 }));
      expect(follows.mock.calls).toEqual([[died.next[0]?.headers.id, state === 'SUCCESS' ? 'fine' : result.id]]);
      expect(body).toHaveBeenCalledOnce();
      expect(await result.state()).toBe(state);
    },
  );

  it.each(['one database', 'two databases'])(
    'is run again where workerDeduplicateSuccessfulTasks is off, and what follows its first result is sent once (%s)',
    async (databases) => {
      const url = `memory://${uuid()}`;
      const same = databases === 'one database' ? { brokerUrl: url, resultBackend: url } : {};
      await using s = setup({ workerDeduplicateSuccessfulTasks: false, ...same });
      let runs = 0;
      const follows = vi.fn();
      s.app.task('ends', { params: [] }, () => ++runs);
      const next = s.app.task('follows', { bind: true, params: ['of'] }, (ctx, of: number) => follows(ctx.request.id, of));
      const result = await s.app.sendTask('ends', { link: [next.s()] });
      const died = await s.die();
      await using _worker = await startWorker(s.app);
      await soon(async () => expect(await s.left()).toEqual({ ready: 0, held: 0 }));
      expect(runs).toBe(2);
      expect(follows.mock.calls).toEqual([[died.next[0]?.headers.id, 1]]);
      expect(await result.result()).toBe(1);
    },
  );
});

describe('an attempt that stored a FAILURE and died before it said what becomes of its message', () => {
  const bodies = [
    ['undecodable', 'application/json', '{nope'],
    ['refused-content', 'application/x-python-serialize', 'pickled'],
    ['malformed', 'application/json', '[[], {}]'],
  ] as const;

  it.each(bodies)('leaves a message that is %s to the dead letters', async (reason, contentType, text) => {
    await using s = setup();
    s.app.task('known', () => undefined);
    const broker = await s.app.openBroker('write');
    const routingKey = s.app.settings.taskDefaultQueue;
    await broker.declare(s.app.queues.topology([routingKey]));
    const message = {
      exchange: '',
      routingKey,
      headers: { task: 'known', id: 'bad' },
      properties: { contentType, contentEncoding: 'utf-8' },
      body: new TextEncoder().encode(text),
    };
    await broker.publish([message], { signal: AbortSignal.timeout(5000) });
    expect((await s.die()).state).toBe('FAILURE');
    await using _worker = await startWorker(s.app);
    await soon(async () => expect(await s.left()).toEqual({ ready: 0, held: 0 }));
    const [dead] = await broker.peek(deadLetterQueue(routingKey), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ reason, attempts: 2 });
  });

  it('leaves a message that its task rejected to the dead letters, and sends its errbacks', async () => {
    await using s = setup();
    const told = vi.fn();
    const task = s.app.task('rejects', { params: [] }, () => {
      throw new Reject('not mine');
    });
    const errback = s.app.task('told', { params: ['of'], errback: 'task' }, told);
    const result = await task.applyAsync([], { linkError: errback.s() });
    expect((await s.die()).state).toBe('REJECTED');
    await using _worker = await startWorker(s.app);
    await soon(() => expect(told).toHaveBeenCalledExactlyOnceWith(result.id));
    await soon(async () => expect(await s.left()).toEqual({ ready: 0, held: 0 }));
    const [dead] = await (await s.app.openBroker('read')).peek(deadLetterQueue(s.app.settings.taskDefaultQueue), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ reason: 'rejected' });
  });
});

describe('a task that nobody registered', () => {
  it('is recorded alike by a slot and by the consumer: Python’s class, and the name', async () => {
    await using s = setup();
    const inSlot = await s.app.sendTask('nobody.knows');
    await s.die();
    const expected = { exc_type: 'NotRegistered', exc_message: ['nobody.knows'], exc_module: 'celery.exceptions' };
    expect((await s.app.results.meta(inSlot.id)).result).toEqual(expected);
    await using _worker = await startWorker(s.app);
    const inConsumer = await s.app.sendTask('nobody.knows');
    await inConsumer.get({ timeout: 5, propagate: false });
    expect((await s.app.results.meta(inConsumer.id)).result).toEqual(expected);
  });
});
