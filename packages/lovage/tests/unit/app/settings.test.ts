import { expect, test } from 'vitest';
import { Config } from '../../../src/app/config.ts';
import { celeryName, convert, environmentName, settingName, settingsTable } from '../../../src/app/settings.ts';
import { ConfigurationError } from '../../../src/util/index.ts';

const none = { environment: {} };
const values = (settings: Record<string, unknown>) => new Config({ settings, ...none }).values;
const problem = (settings: Record<string, unknown>): string => {
  try {
    values(settings);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
};

test('every default passes its own row', () => {
  for (const [name, row] of settingsTable) expect(convert(name, row, row.default, 'the table'), name).toEqual(row.default);
});

test('every setting has one sentence', () => {
  for (const [name, row] of settingsTable) expect(row.about, name).toMatch(/\.$/);
});

test('late acknowledgement, worker-lost requeue and the embedded broker are the defaults', () => {
  expect(values({})).toMatchObject({
    taskAcksLate: true,
    taskRejectOnWorkerLost: true,
    workerPool: 'async',
    brokerUrl: 'sqlite://',
    maxDeliveries: 5,
    deadLetters: 'lovage',
    taskPublishTimeout: 10,
    taskDefaultQueue: 'celery',
    resultExpires: 86_400,
  });
});

test('camelCase and snake_case name the same setting', () => {
  expect(settingName('task_acks_late')).toBe('taskAcksLate');
  expect(values({ task_serializer: 'msgpack' }).taskSerializer).toBe('msgpack');
  expect(celeryName('taskAcksLate')).toBe('task_acks_late');
  expect(celeryName('maxDeliveries')).toBeUndefined();
  expect(environmentName('taskAcksLate')).toBe('LOVAGE_TASK_ACKS_LATE');
});

test.each([
  ['taskSerialiser', "Did you mean 'taskSerializer'?"],
  ['task_serialiser', "Did you mean 'task_serializer'?"],
  ['CELERY_ACKS_LATE', "It is called 'taskAcksLate' now"],
  ['BROKER_URL', "It is called 'brokerUrl' now"],
  ['CELERYD_CONCURRENCY', "It is called 'workerConcurrency' now"],
  ['broker_pool_limit', 'Celery has it, Lovage does not'],
  ['redis_max_connections', 'one connection carries all commands of the result store. Take it out'],
  ['redis_retry_on_timeout', 'resultBackendAlwaysRetry, which is on, repeats'],
  ['cassandra_servers', 'there is no driver for that result store'],
  ['xyzzy', 'docs/settings.md'],
])('the unknown setting %s is refused with a hint', (name, hint) => {
  expect(problem({ [name]: 1 })).toContain(hint);
});

test.each([
  [{ taskAcksLate: 'perhaps' }, 'taskAcksLate must be true or false'],
  [{ workerConcurrency: 1.5 }, 'must be a whole number'],
  [{ workerConcurrency: 0 }, 'must be 1 or more'],
  [{ taskPublishTimeout: Number.NaN }, 'must be a number of seconds'],
  [{ deadLetters: 'maybe' }, "must be one of 'lovage', 'broker', 'off'"],
  [{ brokerUrl: [] }, 'must be a URL'],
  [{ taskSerializer: null }, 'cannot be null'],
  [{ taskSerializer: 'pickle' }, "cannot be 'pickle'"],
  [{ result_serializer: 'pickle' }, "cannot be 'pickle'"],
  [{ taskRoutes: 'celery' }, 'must be a map'],
  [{ taskRoutes: { 'a.*': 1 } }, "must give 'a.*' the name of a queue"],
  [{ taskQueues: { a: { exchangeType: 'headers' } } }, 'exchangeType must be one of direct, topic, fanout'],
  [
    { taskQueues: { a: { exchange: { name: 'media', type: 'topic' } } } },
    "queue 'a' options that fit: exchange must be a text, the name of the exchange (its type goes into exchangeType), not an object",
  ],
  [{ taskQueues: [{ name: 'a', exchange: { name: 'media' } }] }, 'exchangeType'],
  [{ taskQueues: [{ name: 'a', exhange: 'media' }] }, "Did you mean 'exchange'"],
  [{ taskQueues: { a: { maxPriority: '9' } } }, 'maxPriority must be a whole number'],
  [{ taskQueues: { a: { arguments: [] } } }, 'arguments must be an object'],
  [{ taskQueues: { a: { broadcast: true, passive: true } } }, 'both broadcast and passive'],
  [{ taskQueues: { a: { bindings: [{ exchange: 'x' }] } } }, 'both exchange and routingKey'],
  [{ taskQueues: { a: { bindings: [{ exchange: {}, routingKey: 'x' }] } } }, 'exchangeType'],
  [{ taskRoutes: { 'a.*': { queue: { name: 'q' } } } }, "route of 'a.*' options that fit: queue must be the name of a queue"],
  [{ taskRoutes: { 'a.*': { qeue: 'q' } } }, "Did you mean 'queue'"],
  [{ taskRoutes: [['a', { priority: 'urgent' }]] }, "'high', 'normal' or 'low'"],
  [{ taskRoutes: [{ a: 'q' }, { b: { routing_key: 1 } }] }, 'routingKey must be a text'],
  [{ taskAnnotations: { '*': { rate_limits: '10/s' } } }, "Did you mean 'rateLimit'"],
  [{ taskAnnotations: { a: { timeLimit: '10' } } }, 'timeLimit must be a number of seconds, or null'],
  [{ taskAnnotations: [{ a: { onFailure: 1 } }] }, 'onFailure must be a function'],
  [{ taskAnnotations: [{ a: { bind: true } }] }, "must not have 'bind'"],
  [{ taskQueues: { a: { routing_kee: 'x' } } }, "Did you mean 'routingKey'"],
  [{ taskPublishRetryPolicy: { max_retry: 3 } }, "must not have 'maxRetry'"],
  [{ taskDefaultRateLimit: '10/x' }, "'100/m'"],
])('%o is refused', (settings, message) => {
  expect(problem(settings)).toContain(message);
});

test('routes and queues in all their right forms pass', () => {
  values({
    taskQueues: {
      a: { exchange: 'm', exchangeType: 'topic', bindings: [{ exchange: 'm', routingKey: '#' }], arguments: { x: 1 } },
    },
    taskRoutes: [
      ['a', 'q'],
      [/b/, { routing_key: 'k', time_limit: null, expires: new Date() }],
    ],
    taskAnnotations: [() => undefined, { '*': { rateLimit: null, autoretryFor: [Error], priority: 'low' } }],
  });
});

test("queues, annotations and the retry policy may have Celery's names", () => {
  expect(
    values({
      task_queues: [
        { name: 'a', exchange_type: 'topic', binding_key: 'a.#', max_length: 5, auto_delete: null, queue_arguments: { x_y: 1 } },
        { name: 'b', routing_key: 'k', bindings: [{ exchange: 'm', routing_key: '#' }], consumer_arguments: { 'x-priority': 5 } },
      ],
      task_annotations: [{ '*': { rate_limit: null }, 'a.b_c': { time_limit: 5 } }],
      task_publish_retry_policy: { max_retries: null, interval_start: 1 },
    }),
  ).toMatchObject({
    taskQueues: [
      { name: 'a', exchangeType: 'topic', routingKey: 'a.#', maxLength: 5, arguments: { x_y: 1 } },
      { name: 'b', routingKey: 'k', bindings: [{ exchange: 'm', routingKey: '#' }], consumerArguments: { 'x-priority': 5 } },
    ],
    taskAnnotations: [{ '*': { rateLimit: null }, 'a.b_c': { timeLimit: 5 } }],
    taskPublishRetryPolicy: { maxRetries: null, intervalStart: 1 },
  });
  expect(values({ taskQueues: { a_b: { routing_key: 'x_y' } } }).taskQueues).toEqual({ a_b: { routingKey: 'x_y' } });
});

test('a secret does not stand in the message that refuses it', () => {
  expect(problem({ redisPassword: 12345 })).not.toContain('12345');
});

test.each([
  [{ taskSoftTimeLimit: 20, taskTimeLimit: 10 }, 'taskSoftTimeLimit'],
  [{ controlQueueDurable: true }, 'controlQueueExclusive'],
  [{ eventQueueDurable: true }, 'eventQueueExclusive'],
  [{ acceptContent: ['auth', 'json'] }, 'exactly'],
  [{ taskSerializer: 'auth' }, 'securityKey'],
  [{ timezone: 'Europe/Nowhere' }, 'IANA'],
  [{ taskDefaultQueue: '' }, 'needs a name'],
])('the contradiction %o is refused', (settings, message) => {
  expect(problem(settings)).toContain(message);
});

test('texts become what the setting is', () => {
  const environment = {
    LOVAGE_TASK_ACKS_LATE: 'OFF',
    LOVAGE_WORKER_CONCURRENCY: '8',
    LOVAGE_TASK_PUBLISH_TIMEOUT: '2.5',
    LOVAGE_ACCEPT_CONTENT: 'json, msgpack',
    LOVAGE_BROKER_TRANSPORT_OPTIONS: '{"visibility_timeout": 60}',
    LOVAGE_TASK_PROTOCOL: '1',
    LOVAGE_RESULT_EXPIRES: 'null',
    LOVAGE_TASK_DEFAULT_PRIORITY: '3',
    LOVAGE_BROKER_URL: 'amqp://a;amqp://b',
    LOVAGE_TASK_ROUTES: '{"a.*": "slow"}',
  };
  expect(new Config({ environment }).values).toMatchObject({
    taskAcksLate: false,
    workerConcurrency: 8,
    taskPublishTimeout: 2.5,
    acceptContent: ['json', 'msgpack'],
    brokerTransportOptions: { visibility_timeout: 60 },
    taskProtocol: 1,
    resultExpires: null,
    taskDefaultPriority: 3,
    brokerUrl: ['amqp://a', 'amqp://b'],
    taskRoutes: { 'a.*': 'slow' },
  });
});
