// `lovage migrate`, `list` and `purge` on real brokers: what is brought over, and what a death in the middle leaves.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { ensureBuilt, LOVAGE, project } from '../../support/program.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';

const shop = project({
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { taskQueues: { mail: { exchange: 'post', exchangeType: 'topic', routingKey: 'mail.#' } } });
`,
});

beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

function at(url: string): Lovage {
  const app = new Lovage('shop', { brokerUrl: url, resultBackend: 'disabled' }, { environment: {} });
  onTestFinished(() => app.close());
  return app;
}

async function idsIn(app: Lovage, queue: string): Promise<readonly string[]> {
  const broker = await app.openBroker('read');
  const count = await broker.count(queue);
  const messages = count === undefined ? [] : await broker.peek(queue, Math.max(1, count.ready));
  return messages.map(({ headers }) => String(headers.id));
}

async function fill(app: Lovage, queue: string, count: number): Promise<readonly string[]> {
  const sent = await Promise.all(Array.from({ length: count }, (_, index) => app.sendTask('far.away', { args: [index], queue })));
  return sent.map(({ id }) => id);
}

test.each(['redis', 'amqp'] as const)(
  'a move to %s that is killed in the middle loses nothing and doubles nothing',
  async (kind) => {
    const file = `sqlite://${join(shop.folder, `${kind}.db`)}`;
    const destination = kind === 'redis' ? redisUrl() : amqpUrl();
    const queue = `move-${uuid()}`;
    const [source, target] = [at(file), at(destination)];
    onTestFinished(async () => (await target.openBroker('write')).remove(queue));
    const ids = await fill(source, queue, 2000);
    const line = ['migrate', file, destination, '-Q', queue, '-a'];
    const child = execFile(process.execPath, [LOVAGE, ...line], { cwd: shop.folder });
    // Listened to from the start: it may be quicker than the look at the queue.
    const closed = once(child, 'close');
    const broker = await target.openBroker('read');
    await vi.waitFor(async () => expect((await broker.count(queue))?.ready ?? 0).toBeGreaterThan(100), {
      interval: 1,
      timeout: 20_000,
    });
    child.kill('SIGKILL');
    await closed;
    const done = await shop.run([...line, '--json']);
    expect(done.code).toBe(0);
    expect((await idsIn(target, queue)).toSorted()).toEqual(ids.toSorted());
    expect((await (await source.openBroker('read')).count(queue))?.ready).toBe(0);
  },
);

test('a copy leaves the source as it is, and copied again brings only what is missing; queues are renamed, tasks are chosen', async () => {
  const file = `sqlite://${join(shop.folder, 'copy.db')}`;
  const [source, target] = [at(file), at(redisUrl())];
  const [from, to] = [`copy-${uuid()}`, `copied-${uuid()}`];
  onTestFinished(async () => (await target.openBroker('write')).remove(to));
  const ids = await fill(source, from, 5);
  const later = [(await source.sendTask('mail.send', { queue: from, countdown: 3600 })).id];
  const line = ['migrate', file, redisUrl(), '-Q', `${from}:${to}`];
  const first = await shop.run([...line, '-n', '2', '--json']);
  expect(JSON.parse(first.stdout)).toMatchObject({ total: 2, queues: [{ source: from, target: to, moved: 2, known: 0 }] });
  expect(JSON.parse((await shop.run([...line, '--json'])).stdout)).toMatchObject({ total: 4, queues: [{ known: 2 }] });
  expect(JSON.parse((await shop.run([...line, '--json'])).stdout)).toMatchObject({ total: 0, queues: [{ known: 6 }] });
  // On Redis what is due later waits in the queue, as Celery sends it, unless a Lovage worker is there to park it.
  const there = await idsIn(target, to);
  expect(there).toHaveLength(6);
  expect(new Set(there)).toEqual(new Set([...ids, ...later]));
  expect(await (await source.openBroker('read')).count(from)).toMatchObject({ ready: 5, parked: 1 });
  const chosen = await shop.run([...line.slice(0, 3), '-Q', `${from}:${to}-2`, '-T', 'mail.*', '-a']);
  onTestFinished(async () => (await target.openBroker('write')).remove(`${to}-2`));
  expect(chosen).toMatchObject({ code: 0, stdout: expect.stringContaining('Moved 1 message.') as unknown });
  expect(await (await source.openBroker('read')).count(from)).toMatchObject({ ready: 5, parked: 0 });
});

test('migrate refuses what makes no sense', async () => {
  const file = `sqlite://${join(shop.folder, 'same.db')}`;
  expect(await shop.run(['migrate', file, file, '-Q', 'a'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('same queue') as unknown,
  });
  expect(await shop.run(['migrate', file, 'ftp://x', '-Q', 'a'])).toMatchObject({ code: 2 });
  expect(await shop.run(['migrate', file, redisUrl(), '-Q', 'a', '-F'])).toMatchObject({ code: 2 });
  expect(await shop.run(['migrate', 'redis://127.0.0.1:1', file, '-Q', 'a'])).toMatchObject({ code: 69 });
});

test('a purge that is killed touches no other queue, and is done by running it again', async () => {
  const file = `sqlite://${join(shop.folder, 'purge.db')}`;
  const app = at(file);
  await fill(app, 'gone', 3000);
  const kept = await fill(app, 'kept', 10);
  const line = ['-b', file, 'purge', '-Q', 'gone', '-f'];
  const child = execFile(process.execPath, [LOVAGE, ...line], { cwd: shop.folder });
  const closed = once(child, 'close');
  const broker = await app.openBroker('read');
  await vi.waitFor(async () => expect((await broker.count('gone'))?.ready).toBeLessThan(3000), { interval: 1, timeout: 20_000 });
  child.kill('SIGKILL');
  await closed;
  expect(await shop.run(line)).toMatchObject({ code: 0 });
  expect(await broker.count('gone')).toMatchObject({ ready: 0 });
  expect((await idsIn(app, 'kept')).toSorted()).toEqual(kept.toSorted());
});

test.each(['sqlite', 'redis'] as const)('list bindings shows what others bound, on %s', async (kind) => {
  const url = kind === 'redis' ? redisUrl() : `sqlite://${join(shop.folder, 'list.db')}`;
  const broker = await at(url).openBroker('write');
  const queue = `news-${uuid()}`;
  await broker.declare({
    exchanges: [{ name: 'wire', type: 'topic', durable: true }],
    queues: [{ name: queue, durable: true, arguments: {} }],
    bindings: [{ queue, exchange: 'wire', routingKey: 'news.*' }],
  });
  onTestFinished(() => broker.remove(queue));
  const { stdout } = await shop.run(['-A', 'tasks.ts', '-b', url, 'list', 'bindings', '--json']);
  const rows = JSON.parse(stdout) as unknown[];
  expect(rows).toContainEqual({ queue, exchange: 'wire', routingKey: 'news.*' });
  expect(rows).toContainEqual({ queue: 'mail', exchange: 'post', routingKey: 'mail.#' });
  expect((await shop.run(['-A', 'tasks.ts', 'list', '--declared'])).stdout).toBe(
    'queue  exchange  routing key\nmail   post      mail.#\n',
  );
});

test('RabbitMQ without its management plugin says so', async () => {
  const ran = await shop.run(['-A', 'tasks.ts', '-b', amqpUrl(), 'list', 'bindings', '--management', 'http://127.0.0.1:1']);
  expect(ran).toMatchObject({ code: 69, stderr: expect.stringContaining('rabbitmq_management') as unknown });
});
