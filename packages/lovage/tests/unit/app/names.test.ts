// Names that travel are refused where they are written, when a broker, a file name or a log could not hold them as they are.
import { describe, expect, it } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { ConfigurationError, uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { nodeName } from '../../../src/worker/node-name.ts';

const LONG = 'ä'.repeat(128);
const BAD = ['a\nb', 'a\u0000', '\u001b[2J', 'a\u0085b', 'a\u2028b', LONG];
const url = `memory://${uuid()}`;
const app = new Lovage('shop', { brokerUrl: url, resultBackend: url }, { environment: {} });

describe.each(BAD)('%j', (name) => {
  it.each<[string, () => unknown]>([
    ['a task', () => app.task(name, () => 1)],
    ['a task elsewhere', () => app.remote(name)],
    ['a task that is sent', () => app.sendTask(name)],
    ['an id', () => app.sendTask('a', { taskId: name })],
    ['a queue of a call', () => app.sendTask('a', { queue: name })],
    ['a queue that a call declares', () => app.sendTask('a', { declare: [name] })],
    ['a queue of the settings', () => new Lovage('s', { brokerUrl: url, taskQueues: [name] }, { environment: {} }).queueNames()],
    ['the default queue', () => new Lovage('s', { brokerUrl: url, taskDefaultQueue: name }, { environment: {} }).sendTask('a')],
    ['a routing key', () => app.sendTask('a', { routingKey: name })],
    ['an exchange', () => app.sendTask('a', { exchange: name })],
    ['a queue of a worker', () => startWorker(app, { queues: [name] })],
    ['a node', () => nodeName(`${name}@h`)],
    ['a scheduled task', () => app.addPeriodicTask(5, name)],
  ])('is no name for %s', async (_, make) => {
    await expect((async () => make())()).rejects.toThrow(ConfigurationError);
  });
});

it('a node is no path: files of workers are called after it', () => {
  for (const name of ['../../etc/cron.d/x@h', 'a/b', 'a\\b@h']) expect(() => nodeName(name)).toThrow(/slash/);
});

it('whatever people write otherwise is a name', () => {
  for (const name of [
    'shop.größe',
    '邮件',
    'a b',
    '../x',
    '__proto__',
    'constructor',
    "'; DROP TABLE x",
    '%s{0}',
    'ä'.repeat(127),
  ])
    expect(app.task(name, () => 1).name).toBe(name);
});

it('a queue that a control command names is checked by the worker, which answers with the reason', async () => {
  await using _worker = await startWorker(app, { hostname: 'w@h' });
  const [answer] = await app.control.ask('add_consumer', { queue: 'a\nb' }, { limit: 1 });
  expect(answer?.value).toMatchObject({ error: expect.stringContaining('control character') });
  await app.close();
});
