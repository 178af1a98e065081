import { expect, test } from 'vitest';
import { ArgumentsError, ConfigurationError, EncodeError, PublishError } from '../../../src/util/index.ts';
import { bodyOf, setup, waiting } from './support.ts';

const at = 1_767_322_445.678901;
const clock = { now: () => at, monotonic: () => 0 };
const ids = { taskId: 'id-1' };

test('a call becomes a message of protocol 2 with every header', async () => {
  await using app = setup();
  const add = app.task('m.add', (x: number, y: number) => x + y);
  await add.applyAsync([1, 2], ids);
  const [message] = await waiting(app);
  expect(Object.keys(message!.headers)).toEqual(
    'lang task id shadow eta expires group group_index retries timelimit root_id parent_id argsrepr kwargsrepr origin ignore_result replaced_task_nesting stamped_headers stamps'.split(
      ' ',
    ),
  );
  expect(message!.headers).toMatchObject({
    lang: 'js',
    task: 'm.add',
    id: 'id-1',
    root_id: 'id-1',
    argsrepr: '(1, 2)',
    ignore_result: false,
  });
  expect(message!.headers.origin).toMatch(new RegExp(`^gen${process.pid}@`));
  expect(message!.properties).toMatchObject({
    correlationId: 'id-1',
    contentType: 'application/json',
    deliveryMode: 2,
    priority: 0,
  });
  expect(bodyOf(message)).toEqual([[1, 2], {}, { callbacks: null, errbacks: null, chain: null, chord: null }]);
});

test('what changes after the call changes no message, even while the app gets ready', async () => {
  await using app = setup();
  const add = app.task('m.add', (row: unknown) => row);
  const shared = { at: 0, list: [0], when: new Date(0), ...JSON.parse('{"__proto__": {"own": 1}}') };
  const calls: Promise<unknown>[] = [];
  for (const at of [1, 2, 3]) {
    shared.at = at;
    shared.list[0] = at;
    calls.push(at === 3 ? add.applyAsync([shared], { countdown: 0 }) : add.delay(shared));
  }
  shared.at = 4;
  await Promise.all(calls);
  const rows = (await waiting(app)).map((message) => (bodyOf(message) as [[Record<string, unknown>]])[0][0]);
  expect(rows).toMatchObject([{ list: [1] }, { list: [2] }, { list: [3] }]);
  expect(rows.map((row) => row.at)).toEqual([1, 2, 3]);
  expect(rows.every((row) => Object.hasOwn(row, '__proto__'))).toBe(true);
});

test('for a task that is not known here ignore_result is null, so that its worker decides', async () => {
  await using app = setup();
  await app.sendTask('py.x', { args: [1], kwargs: { k: 2 } });
  const [message] = await waiting(app);
  expect(message!.headers.ignore_result).toBeNull();
  expect(bodyOf(message)).toMatchObject([[1], { k: 2 }, {}]);
});

test('what a chord or further steps wait for is not dropped by a broker when it is too late', async () => {
  await using app = setup({}, { clock });
  const send = (options: object) => app.publisher.prepare([{ task: 't', args: [], kwargs: {}, options }])[0]!.message;
  const body = app.signature('body').toWire();
  expect(send({ expires: 60 }).properties.expiration).toBe('60000');
  for (const behind of [{ chord: body }, { chain: [body] }]) {
    const message = send({ expires: 60, ...behind });
    expect(message.headers.expires).toBe('2026-01-02T02:55:05.678901+00:00');
    expect(message.properties.expiration).toBeUndefined();
  }
});

test('countdown, eta and expires become headers, a due time and an expiration', async () => {
  await using app = setup({}, { clock });
  const send = (options: object) => app.publisher.prepare([{ task: 't', args: [], kwargs: {}, options }])[0]!.message;
  expect(send({ countdown: 10, expires: 60 })).toMatchObject({
    headers: { eta: '2026-01-02T02:54:15.678901+00:00', expires: '2026-01-02T02:55:05.678901+00:00' },
    properties: { expiration: '60000' },
    dueAt: at + 10,
  });
  expect(send({ countdown: 0, eta: '2030-01-01T00:00:00+02:00' })).not.toHaveProperty('dueAt');
  expect(send({ eta: '2030-01-01T00:00:00+02:00' }).headers.eta).toBe('2030-01-01T00:00:00+02:00');
  expect(send({ expires: new Date(0) }).properties.expiration).toBe('0');
  for (const wrong of [{ countdown: -3e9 }, { countdown: Number.NaN }, { eta: 'tomorrow' }, { expires: new Date(Number.NaN) }]) {
    expect(() => send(wrong)).toThrow(ConfigurationError);
  }
});

test('the call beats the task, the task beats the route, the route beats the setting', async () => {
  await using app = setup({
    taskSerializer: 'yaml',
    taskCompression: 'zlib',
    taskRoutes: { 'm.*': { queue: 'routed', serializer: 'msgpack', timeLimit: 5, priority: 1 } },
  });
  const plain = app.task('m.plain', () => 1);
  const own = app.task('m.own', { queue: 'own', timeLimit: 7 }, () => 1);
  await plain.delay();
  await own.delay();
  await own.applyAsync([], { queue: 'called', serializer: 'json', compression: 'gzip', timeLimit: 9, priority: 3 });
  const [routed] = await waiting(app, 'routed');
  expect(routed).toMatchObject({
    headers: { timelimit: [5, null] },
    properties: { contentType: 'application/x-msgpack', priority: 1 },
  });
  const [owned] = await waiting(app, 'own');
  expect(owned).toMatchObject({ headers: { timelimit: [7, null] }, properties: { contentType: 'application/x-msgpack' } });
  const [called] = await waiting(app, 'called');
  expect(called).toMatchObject({
    headers: { timelimit: [9, null], compression: 'application/x-gzip' },
    properties: { contentType: 'application/json', priority: 3 },
  });
});

test('a direct queue is reached by its name, a topic exchange by the routing key', async () => {
  await using app = setup({
    taskQueues: [{ name: 'd' }, { name: 't', exchange: 'x', exchangeType: 'topic', routingKey: 'a.#' }],
    taskDefaultQueue: 'd',
  });
  const to = (options: object) => {
    const { exchange, routingKey } = app.publisher.prepare([{ task: 't', args: [], kwargs: {}, options }])[0]!.message;
    return [exchange, routingKey];
  };
  expect(to({})).toEqual(['', 'd']);
  expect(to({ queue: 'd', routingKey: 'ignored' })).toEqual(['', 'd']);
  expect(to({ queue: 't' })).toEqual(['x', 'a.#']);
  expect(to({ queue: 't', routingKey: 'a.b' })).toEqual(['x', 'a.b']);
  expect(to({ exchange: 'e', routingKey: 'k' })).toEqual(['e', 'k']);
});

test('words for priorities mean the same on every broker', async () => {
  const priority = async (brokerUrl: string, word: 'high' | 'normal' | 'low', most?: number) => {
    await using app = setup({ brokerUrl, ...(most === undefined ? {} : { taskQueueMaxPriority: most }) });
    return app.publisher.prepare([{ task: 't', args: [], kwargs: {}, options: { priority: word } }])[0]!.message.properties
      .priority;
  };
  expect(await priority('amqp://h', 'high')).toBe(9);
  expect(await priority('amqp://h', 'high', 4)).toBe(4);
  expect(await priority('amqp://h', 'low')).toBe(0);
  expect(await priority('redis://h', 'high')).toBe(0);
  expect(await priority('redis://h', 'low')).toBe(9);
});

test('protocol 1 has empty headers and everything in the body', async () => {
  await using app = setup({ taskProtocol: 1 });
  await app.sendTask('t', { args: [1], headers: { mine: 'x' }, ...ids });
  const [message] = await waiting(app);
  expect(message!.headers).toEqual({ mine: 'x' });
  expect(bodyOf(message)).toMatchObject({ task: 't', id: 'id-1', args: [1], utc: true });
});

test('calls of one turn leave in few publishes, in their order', async () => {
  await using app = setup();
  const broker = await app.openBroker('write');
  const publishes: unknown[][] = [];
  const publish = broker.publish.bind(broker);
  broker.publish = (messages, options) => {
    publishes.push(messages.map(({ headers }) => headers.id));
    return publish(messages, options);
  };
  const task = app.task('t', (n: number) => n);
  const call = (queue: string) => Promise.all(Array.from({ length: 100 }, (_, n) => task.applyAsync([n], { queue })));
  const results = [...(await call('a')), ...(await call('a')), ...(await call('new'))];
  expect(new Set(results.map(({ id }) => id)).size).toBe(300);
  expect(publishes.map(({ length }) => length)).toEqual([100, 64, 36, 64, 36]);
  expect(publishes.flat()).toEqual(results.map(({ id }) => id));
});

test('a queue is declared before its first message, once', async () => {
  await using app = setup();
  const broker = await app.openBroker('write');
  const declared: string[] = [];
  const declare = broker.declare.bind(broker);
  broker.declare = (topology) => {
    declared.push(...topology.queues.map(({ name }) => name));
    return declare(topology);
  };
  await Promise.all([app.sendTask('t'), app.sendTask('t', { queue: 'other' }), app.sendTask('t')]);
  await app.sendTask('t');
  expect(declared.toSorted()).toEqual(['celery', 'other']);
});

test('a queue that somebody deleted is declared again', async () => {
  await using app = setup();
  await app.sendTask('t');
  const broker = await app.openBroker('write');
  await broker.remove('celery');
  await app.sendTask('t', ids);
  expect((await waiting(app)).map(({ headers }) => headers.id)).toEqual(['id-1']);
});

test('what cannot be encoded fails at the call, and nothing is sent', async () => {
  await using app = setup();
  await expect(app.sendTask('t', { args: [() => 1] })).rejects.toThrow(EncodeError);
  await expect(app.sendTask('t', { args: 'x' as never })).rejects.toThrow(ArgumentsError);
  expect(await (await app.openBroker('read')).count('celery')).toBeUndefined();
});

test('signals tell of each publish, before and after', async () => {
  await using app = setup();
  const seen: string[] = [];
  app.signals.on('before_task_publish', async ({ task, routingKey }) => void seen.push(`before ${task} ${routingKey}`));
  app.signals.on('after_task_publish', ({ id, args }) => void seen.push(`after ${id} ${args.join()}`), { sender: 't' });
  await app.sendTask('t', { args: [1, 2], ...ids });
  await app.sendTask('u');
  expect(seen).toEqual(['before t celery', 'after id-1 1,2', 'before u celery']);
});

test('a middleware may change what is sent', async () => {
  await using app = setup();
  app.use({ name: 'tenant', publish: (call, next) => next({ ...call, options: { ...call.options, headers: { tenant: 7 } } }) });
  await app.sendTask('t');
  expect((await waiting(app))[0]!.headers.tenant).toBe(7);
});

test('an aborted call is not sent', async () => {
  await using app = setup();
  const failed = app.sendTask('t', { signal: AbortSignal.abort(new Error('user went away')) });
  await expect(failed).rejects.toThrow(PublishError);
  await expect(failed).rejects.toThrow(/user went away/);
});

test('a call may have a retry policy of its own', async () => {
  const forEver = { maxRetries: null, intervalStart: 60, intervalMax: 60 };
  await using app = setup({
    brokerUrl: 'amqp://127.0.0.1:1',
    resultBackend: 'disabled',
    taskPublishRetryPolicy: forEver,
    brokerConnectionTimeout: 1,
  });
  // With the policy of the settings this would end with the deadline only.
  const failed = app.sendTask('t', { retryPolicy: { maxRetries: 0 }, publishTimeout: 60 });
  await expect(failed).rejects.toMatchObject({ name: 'PublishError', safeToRepeat: true });
  await expect(app.sendTask('t', { retryPolicy: { max_retries: 0 } } as object)).rejects.toThrow(
    'retryPolicy must be an object with maxRetries, intervalStart',
  );
});

test('the type of the exchange is that of the queue unless the call says another', async () => {
  await using app = setup({ taskQueues: { celery: {}, logs: { exchange: 'logs', exchangeType: 'topic', routingKey: 'log.#' } } });
  const place = (options: object) => {
    const { message } = app.publisher.prepare([{ task: 't', args: [], kwargs: {}, options }])[0]!;
    return [message.exchange, message.routingKey];
  };
  expect(place({ exchange: 'e' })).toEqual(['', 'celery']);
  expect(place({ exchange: 'e', exchangeType: 'topic' })).toEqual(['e', 'celery']);
  expect(place({ exchangeType: 'fanout', routingKey: 'r' })).toEqual(['celery', 'r']);
  expect(place({ queue: 'logs', routingKey: 'log.a' })).toEqual(['logs', 'log.a']);
  expect(place({ queue: 'logs', exchangeType: 'direct' })).toEqual(['', 'logs']);
  await expect(app.sendTask('t', { exchangeType: 'headers' } as object)).rejects.toThrow("'direct', 'topic' or 'fanout'");
});

test('a signature carries the type of its exchange; what only a sending Celery knows is no property of the message', async () => {
  await using app = setup();
  const wire = app.signature('t', [], { exchange: 'e', exchangeType: 'topic' }).toWire();
  expect(wire.options).toEqual({ exchange: 'e', exchange_type: 'topic' });
  const options = { ...wire.options, declare: [], timeout: 5, confirm_timeout: 5, mandatory: true, immediate: false };
  expect(app.signature({ ...wire, options }).options).toEqual({ exchange: 'e', exchangeType: 'topic' });
});
