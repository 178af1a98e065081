import { expect, test } from 'vitest';
import { noticeCopy } from '../../../src/app/copies.ts';
import { Lovage } from '../../../src/app/lovage.ts';
import type { DeclareOptions } from '../../../src/task/declare.ts';
import { AlreadyRegisteredError, ArgumentsError, ConfigurationError, NotRegisteredError } from '../../../src/util/index.ts';
import { bodyOf, setup, waiting } from './support.ts';

test('onBound of a task is called once, when its app knows it', () => {
  const app = new Lovage('bound');
  const seen: unknown[] = [];
  const onBound: DeclareOptions['onBound'] = (owner, task) => seen.push(owner, task.name, app.tasks.find(task.name) === task);
  const add = app.task('add', { onBound }, (x: number, y: number) => x + y);
  expect(seen).toEqual([app, 'add', true]);
  expect(add.definition.options).not.toHaveProperty('onBound');
  const refuse = (): never => {
    throw new RangeError('not here');
  };
  expect(() => app.task('other', { onBound: refuse }, () => 1)).toThrow('not here');
  expect(() => app.task('third', { onBound: 'x' as never }, () => 1)).toThrow('onBound');
});

test('making an app opens nothing and reads nothing', async () => {
  const app = new Lovage('lazy', { brokerUrl: 'nowhere://x' }, { environment: { LOVAGE_TASK_ACKS_LATE: 'nonsense' } });
  app.task('t', () => 1);
  app.use({ name: 'm' });
  await app.close();
  expect(() => app.settings).toThrow(/LOVAGE_TASK_ACKS_LATE/);
});

test('an app needs a name', () => {
  expect(() => new Lovage('')).toThrow(ConfigurationError);
});

test('several apps in one process share nothing', async () => {
  await using one = setup();
  await using two = setup({ taskDefaultQueue: 'two' });
  one.task('t', () => 1);
  two.task('t', () => 2);
  await one.sendTask('t');
  expect(await waiting(one)).toHaveLength(1);
  expect(await waiting(two, 'two')).toHaveLength(0);
  expect([one.tasks.size, one.settings.taskDefaultQueue]).toEqual([1, 'celery']);
});

test('a second task of one name is an error', async () => {
  await using app = setup();
  app.task('t', () => 1);
  expect(() => app.task('t', () => 2)).toThrow(AlreadyRegisteredError);
});

test('arguments are checked at the call unless the app says otherwise', async () => {
  await using app = setup();
  const add = app.task('add', (x: number, y: number) => x + y);
  await expect(add.delay(...([1, 2, 3] as unknown as [number, number]))).rejects.toThrow(ArgumentsError);
  const said = await add.delay(...([1, 2, 3] as unknown as [number, number])).catch((error: Error) => error.message);
  // A call by name of a task that is known here is held to the same, with the same words.
  await expect(app.sendTask('add', { args: [1, 2, 3] })).rejects.toThrow(new ArgumentsError(String(said)));
  await expect(app.signature('add', [1, 2, 3]).delay()).rejects.toThrow(ArgumentsError);
  expect(await waiting(app)).toEqual([]);
  await app.sendTask('elsewhere', { args: [1, 2, 3] });
  await using loose = setup({ strictTyping: false });
  const task = loose.task('add', (x: number, y: number) => x + y);
  await task.delay(...([1, 2, 3] as unknown as [number, number]));
  expect(bodyOf((await waiting(loose))[0])).toMatchObject([[1, 2, 3], {}, {}]);
});

test('changes of settings count for the next call', async () => {
  await using app = setup();
  const task = app.task('m.t', () => 1);
  await task.delay();
  app.conf.update({ taskRoutes: { 'm.*': 'moved' }, taskSerializer: 'msgpack' });
  await task.delay();
  expect(await waiting(app)).toHaveLength(1);
  expect((await waiting(app, 'moved'))[0]!.properties.contentType).toBe('application/x-msgpack');
  expect(app.queues.get('moved').name).toBe('moved');
});

test('annotations lie over declarations, and the name beats the star', async () => {
  await using app = setup({ taskAnnotations: { '*': { queue: 'all', timeLimit: 1 }, 'm.one': { timeLimit: 2 } } });
  const one = app.task('m.one', { queue: 'own', timeLimit: 3 }, () => 1);
  await one.delay();
  expect((await waiting(app, 'all'))[0]!.headers.timelimit).toEqual([2, null]);
  expect(app.environment().options(one.definition)).toMatchObject({ timeLimit: 2, queue: 'all', acksLate: true });
});

test('an always eager app runs its tasks in place; what is sent by name is sent', async () => {
  await using app = setup({ taskAlwaysEager: true });
  const add = app.task('add', (x: number, y: number) => x + y);
  expect(await (await add.delay(2, 3)).get()).toBe(5);
  await app.sendTask('add', { args: [1, 2] });
  expect(await waiting(app)).toHaveLength(1);
});

test('a task sent by a running task knows its parent and root', async () => {
  await using app = setup();
  const child = app.task('child', () => 1);
  const parent = app.task('parent', async () => void (await child.delay()));
  await parent.apply([], { taskId: 'p-1', rootId: 'r-1' });
  expect((await waiting(app))[0]!.headers).toMatchObject({ parent_id: 'p-1', root_id: 'r-1' });
});

test('a remote task is sent without its code', async () => {
  await using app = setup();
  const fit = app.remote<(rows: number) => string>('trainer.fit');
  const result = await fit.delay(3);
  const [message] = await waiting(app);
  expect(message!.headers).toMatchObject({ task: 'trainer.fit', id: result.id });
});

test('the options of a remote task are those of its calls, which win', async () => {
  await using app = setup({ taskRoutes: { 'trainer.*': 'routed' } });
  const fit = app.remote<(rows: number) => string>('trainer.fit', {
    queue: 'gpu',
    priority: 4,
    timeLimit: 60,
    ignoreResult: true,
  });
  await fit.delay(1);
  await fit.s(2).delay();
  await fit.applyAsync([3], { priority: 7, timeLimit: null });
  const messages = await waiting(app, 'gpu');
  expect(messages.map(({ headers, properties }) => [properties.priority, headers.timelimit, headers.ignore_result])).toEqual([
    [7, [null, null], true],
    [4, [60, null], true],
    [4, [60, null], true],
  ]);
});

test('an option of the wrong kind is refused where it is written', async () => {
  await using app = setup();
  const task = app.task('t', () => 1);
  await expect(app.sendTask('t', { countdown: '5' } as object)).rejects.toThrow('countdown must be a number of seconds, not "5"');
  await expect(task.applyAsync([], { queue: { name: 'q' } } as object)).rejects.toThrow(
    'queue must be the name of a queue, without control characters, of 255 bytes at most, not an object',
  );
  // No worker takes a message without an id, and nobody could ask for its result.
  await expect(task.applyAsync([], { taskId: '' })).rejects.toThrow('taskId must be a text that is not empty');
  await expect(task.applyAsync([], { eta: 'tomorrow' })).rejects.toThrow(ConfigurationError);
  expect(() => app.task('u', { maxRetries: '3' } as object, () => 1)).toThrow(
    "The task 'u' has a wrong option: maxRetries must be",
  );
  expect(() => task.s().set({ link: 'other' } as object)).toThrow('link must be a signature');
});

test.each([
  ['memory://', [9, 5, 0]],
  ['redis://localhost', [0, 4, 9]],
])('words of priority are numbers in a signature for %s', async (brokerUrl, numbers) => {
  await using app = setup({ brokerUrl, resultBackend: 'disabled', taskQueues: { celery: {}, few: { maxPriority: 4 } } });
  const task = app.task('t', () => 1);
  const words = ['high', 'normal', 'low'] as const;
  expect(words.map((priority) => task.s().set({ priority }).toWire().options.priority)).toEqual(numbers);
  expect(app.signature('x', [], { priority: 'high', queue: 'few' }).toWire().options.priority).toBe(numbers[0] === 9 ? 4 : 0);
  const linked = task.s().set({ link: task.s().set({ priority: 'low' }) });
  const [message] = app.publisher.prepare([{ task: 't', args: [], kwargs: {}, options: linked.options }]);
  expect(JSON.parse(Buffer.from(message!.message.body).toString())[2].callbacks[0].options).toEqual({ priority: numbers[2] });
});

test('what a function in taskAnnotations answers is checked', async () => {
  await using app = setup({ taskAnnotations: () => ({ rate_limits: '1/s' }) as object });
  await expect(app.task('t', () => 1).delay()).rejects.toThrow(/taskAnnotations must not have 'rateLimits' for the task 't'/);
});

test('a signature by name is data until it is sent', async () => {
  await using app = setup();
  const signature = app.signature('x', [1], { kwargs: { a: 2 }, queue: 'q' });
  expect(signature.toWire()).toEqual({
    task: 'x',
    args: [1],
    kwargs: { a: 2 },
    options: { queue: 'q' },
    subtask_type: null,
    immutable: false,
  });
  await app.signature(signature.toWire()).delay();
  expect(bodyOf((await waiting(app, 'q'))[0])).toMatchObject([[1], { a: 2 }, {}]);
});

test('an unknown call option is refused with a suggestion', async () => {
  await using app = setup();
  await expect(app.sendTask('t', { coutdown: 5 } as object)).rejects.toThrow(/Did you mean 'countdown'/);
});

test('results follow the broker unless a setting says where', async () => {
  await using app = setup();
  expect((await app.openBackend()).name).toBe('memory');
  await using off = setup({ resultBackend: 'disabled://' });
  expect((await off.openBackend()).name).toBe('disabled');
});

test('a result that is there is read by its id', async () => {
  await using app = setup();
  const { id } = await app.sendTask('t');
  const stored = app.environment().results.encode({ taskId: id, status: 'SUCCESS', result: [1, 2] }, { attempt: 1 });
  await app.results.put([stored]);
  expect(await app.result<number[]>(id).get({ timeout: 5 })).toEqual([1, 2]);
});

test('equal addresses share one broker', async () => {
  await using app = setup();
  expect(await app.openBroker('read')).toBe(await app.openBroker('write'));
});

test('closing waits for what is on its way, then sends nothing more', async () => {
  const app = setup();
  const sending = app.sendTask('t');
  await app.close();
  await expect(sending).resolves.toHaveProperty('id');
  await expect(app.sendTask('t')).rejects.toThrow(/is closed/);
  await app.close();
});

test('the hooks of configuration run once, before and after', async () => {
  await using app = setup();
  const seen: string[] = [];
  app.signals.on('on_configure', () => void seen.push('configure'));
  app.signals.on('on_after_configure', ({ source }) => void seen.push(`after ${String(source.taskDefaultQueue)}`));
  expect([app.settings.taskDefaultQueue, app.settings.taskSerializer]).toEqual(['celery', 'json']);
  expect(seen).toEqual(['configure', 'after celery']);
});

test('a second copy of Lovage is named, once', () => {
  const warnings: string[] = [];
  noticeCopy('file:///one/lovage.js', (text) => warnings.push(text));
  noticeCopy('file:///two/lovage.js', (text) => warnings.push(text));
  noticeCopy('file:///two/lovage.js', (text) => warnings.push(text));
  expect(warnings.at(-1)).toContain('file:///two/lovage.js');
  expect(warnings.filter((text) => text.includes('file:///two'))).toHaveLength(1);
});

test('a bug report names versions, addresses and settings, and no secret', async () => {
  await using app = setup({ brokerUrl: 'redis://me:hunter2@h/1', taskRoutes: { a: 'slow' }, securityKey: '/k' });
  const report = app.bugReport();
  expect(report).toMatch(/^lovage \d+\.\d+\.\d+\S* · node \d+\./);
  expect(report).toContain('broker: redis://me:**@h/1\nresults: redis://me:**@h/1\n');
  expect(report).toContain('  taskRoutes = {"a":"slow"}');
  expect(report).not.toMatch(/hunter2|\/k\b/);
});

test('a task may be forgotten, so that another takes its name', async () => {
  await using app = setup();
  app.task('t', () => 1);
  app.tasks.unregister('t');
  expect(app.tasks.find('t')).toBeUndefined();
  app.task('t', () => 2);
  expect(() => app.tasks.unregister('nobody')).toThrow(NotRegisteredError);
});
