import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Config } from '../../../src/app/config.ts';
import { testFolder } from '../../support/folder.ts';

test('what wins: command line, constructor, runtime, environment, source, added defaults, built-in', () => {
  const config = new Config({
    settings: { taskSerializer: 'yaml' },
    environment: { LOVAGE_TASK_SERIALIZER: 'raw', LOVAGE_TIMEZONE: 'UTC' },
  });
  const queue = (): string => config.values.taskDefaultQueue;
  expect(queue()).toBe('celery');
  config.addDefaults({ taskDefaultQueue: 'defaults', timezone: 'Asia/Tokyo' });
  expect(queue()).toBe('defaults');
  config.load({ taskDefaultQueue: 'source', timezone: 'Europe/Oslo' });
  expect(queue()).toBe('source');
  expect(config.values.timezone).toBe('UTC');
  config.update({ timezone: 'Europe/Paris', taskDefaultQueue: 'runtime' });
  expect(config.values.timezone).toBe('Europe/Paris');
  expect(queue()).toBe('runtime');
  expect(config.values.taskSerializer).toBe('yaml');
  config.loadCommandLine(['task.serializer=msgpack']);
  expect(config.values.taskSerializer).toBe('msgpack');
});

test('every accessor tells the same', () => {
  const config = new Config({ environment: { CELERY_BROKER_URL: 'memory://env' } });
  config.load({ broker_url: 'memory://file' });
  expect(config.values.brokerUrl).toBe('memory://env');
  expect(config.get('brokerUrl')).toBe('memory://env');
  expect(config.get('broker_url')).toBe('memory://env');
  expect(config.table().brokerUrl).toBe('memory://env');
  expect(config.originOf('brokerUrl')).toContain('CELERY_BROKER_URL');
});

test("Lovage's own environment names beat Celery's", () => {
  const environment = { CELERY_RESULT_BACKEND: 'memory://c', LOVAGE_RESULT_BACKEND: 'memory://l' };
  expect(new Config({ environment }).values.resultBackend).toBe('memory://l');
});

test('a setting of the constructor cannot be changed later, and the error says so', () => {
  const config = new Config({ settings: { taskTimeLimit: 5 }, environment: {} });
  expect(() => config.update({ taskTimeLimit: 6 })).toThrow(/taskTimeLimit was given to the constructor/);
  expect(config.values.taskTimeLimit).toBe(5);
});

test('a later source replaces an earlier one', () => {
  const config = new Config({ environment: {} });
  config.load({ taskDefaultQueue: 'one', taskSerializer: 'yaml' });
  config.load({ taskDefaultQueue: 'two' });
  expect(config.values).toMatchObject({ taskDefaultQueue: 'two', taskSerializer: 'json' });
});

test('what was read before the configuration is not configured by writing', () => {
  const events: string[] = [];
  const config = new Config({
    environment: {},
    configuring: () => events.push('before'),
    configured: () => events.push('after'),
  });
  config.update({ taskDefaultQueue: 'q' });
  config.addDefaults(() => {
    events.push('defaults');
    return { taskSerializer: 'yaml' };
  });
  expect(events).toEqual([]);
  expect(config.values.taskDefaultQueue).toBe('q');
  expect(config.values.taskSerializer).toBe('yaml');
  expect(events).toEqual(['before', 'defaults', 'after']);
});

test('what a hook writes before the first read counts', () => {
  const config = new Config({ environment: {}, configuring: () => config.update({ taskDefaultQueue: 'hook' }) });
  expect(config.values.taskDefaultQueue).toBe('hook');
});

test('observers are told what changed, and only then', () => {
  const config = new Config({ environment: {} });
  const seen: string[][] = [];
  const stop = config.observe((_, changed) => seen.push([...changed]));
  expect(config.values.taskDefaultQueue).toBe('celery');
  config.update({ taskDefaultQueue: 'a', taskSerializer: 'json' });
  config.update({ taskDefaultQueue: 'a' });
  stop();
  config.update({ taskDefaultQueue: 'b' });
  expect(seen).toEqual([['taskDefaultQueue']]);
});

test('an update that leads to a contradiction is taken back whole', () => {
  const config = new Config({ environment: {} });
  expect(config.values.taskTimeLimit).toBeNull();
  expect(() => config.update({ taskTimeLimit: 1, taskSoftTimeLimit: 2 })).toThrow(/taskSoftTimeLimit/);
  expect(config.values.taskTimeLimit).toBeNull();
});

test('with a namespace only prefixed keys and names of settings count, and prefixed ones win', () => {
  const config = new Config({ environment: {} });
  config.load(
    { DEBUG: true, CELERY_TASK_DEFAULT_QUEUE: 'prefixed', taskDefaultQueue: 'bare', task_serializer: 'yaml' },
    { namespace: 'CELERY' },
  );
  expect(config.values).toMatchObject({ taskDefaultQueue: 'prefixed', taskSerializer: 'yaml' });
  config.update({ taskDefaultQueue: 'runtime' });
  expect(config.values.taskDefaultQueue).toBe('runtime');
  expect(() => config.load({ CELERY_TASK_SERIALISER: 'x' }, { namespace: 'CELERY' })).toThrow(/task_serializer/);
  const camel = new Config({ environment: {} });
  camel.load({ lovageTaskDefaultQueue: 'camel', other: 1 }, { namespace: 'lovage' });
  expect(camel.values.taskDefaultQueue).toBe('camel');
});

test('one source may not give a setting in two spellings', () => {
  expect(() => new Config({ settings: { taskSerializer: 'json', task_serializer: 'json' } })).toThrow(/twice/);
});

test.each([
  ['worker.concurrency=10', 'workerConcurrency', 10],
  ['.concurrency=10', 'workerConcurrency', 10],
  ['_concurrency=10', 'workerConcurrency', 10],
  ['worker_concurrency=10', 'workerConcurrency', 10],
  ['workerConcurrency=10', 'workerConcurrency', 10],
  ['task.acksLate=no', 'taskAcksLate', false],
  ['worker.shutdownTimeout=60', 'shutdownTimeout', 60],
  ['.shutdown_timeout=60', 'shutdownTimeout', 60],
  ['broker.transport_options=(json){"a": 1}', 'brokerTransportOptions', { a: 1 }],
  ['task.default_queue=a=b', 'taskDefaultQueue', 'a=b'],
])('the command line pair %s is understood', (pair, name, value) => {
  const config = new Config({ environment: {} });
  config.loadCommandLine([pair]);
  expect(config.get(name)).toEqual(value);
});

test.each([
  ['concurrency'],
  ['=3'],
  ['worker.concurency=3'],
  ['foo.shutdownTimeout=3'],
  ['worker.concurrency=many'],
  ['worker.concurrency=(number)3'],
  ['imports=(json)['],
])('the command line pair %s is refused', (pair) => {
  expect(() => new Config({ environment: {} }).loadCommandLine([pair])).toThrow(/command line|Unknown setting/);
});

test('a file is read by ready(): its default export, or the one that is named', async () => {
  const folder = testFolder('config');
  const file = join(folder, 'lovage.config.mjs');
  writeFileSync(file, "export default { task_default_queue: 'file' };\nexport const other = { taskDefaultQueue: 'named' };\n");
  const config = new Config({ environment: {} });
  config.load(file);
  expect(config.values.taskDefaultQueue).toBe('celery');
  await config.ready();
  expect(config.values.taskDefaultQueue).toBe('file');
  config.load(`${file}:other`);
  await config.ready();
  expect(config.values.taskDefaultQueue).toBe('named');
  config.load(`${file}:nothing`);
  await expect(config.ready()).rejects.toThrow(/no object of settings called 'nothing'/);
});

test('a table for people shows no secrets', () => {
  const config = new Config({ environment: {} });
  config.load({
    brokerUrl: 'redis://:hunter2@host/0',
    redisPassword: 'hunter2',
    brokerTransportOptions: { sentinel_kwargs: { password: 'hunter2' }, sep: ':' },
    taskQueues: { a: { routingKey: 'a.b' } },
  });
  expect(JSON.stringify(config.table())).not.toContain('hunter2');
  expect(config.table()).toMatchObject({ brokerTransportOptions: { sep: ':' }, taskQueues: { a: { routingKey: 'a.b' } } });
  expect(config.table({ censored: false })).toMatchObject({ redisPassword: 'hunter2' });
  expect(Object.keys(config.table({ withDefaults: true })).length).toBeGreaterThan(100);
});
