import fc from 'fast-check';
import { expect, test } from 'vitest';
import { upgradeSettings } from '../../../src/cli/upgrade/settings.ts';
import { PythonSyntaxError } from '../../../src/cli/upgrade/tokens.ts';
import { configFile } from '../../../src/cli/upgrade/write.ts';

function values(source: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(upgradeSettings(source).carried.map(({ to, value }) => [to, value]));
}

const reasons = (source: string): readonly string[] =>
  upgradeSettings(source).left.map(({ line, name, reason }) => `${line} ${name}: ${reason}`);

test('old names, new names and Django names are carried over, with their values', () => {
  const source = `# -*- coding: utf-8 -*-
"""The settings."""
import os
from datetime import timedelta

BROKER_URL = 'redis://localhost' '/0'
HOUR = 60 * 60
CELERY_TASK_RESULT_EXPIRES = timedelta(days=1)
CELERYD_CONCURRENCY: int = 8
CELERY_TASK_TIME_LIMIT = HOUR // 2
task_serializer = r'json'
accept_content = ('json', "msgpack",)
task_acks_late = True; worker_prefetch_multiplier = 1
task_routes = {
    'feeds.*': {'queue': 'feeds', 'routing_key': None},  # a comment
    "web.tasks.*": 'web',
}
`;
  expect(values(source)).toEqual({
    brokerUrl: 'redis://localhost/0',
    resultExpires: 86_400,
    workerConcurrency: 8,
    taskTimeLimit: 1800,
    taskSerializer: 'json',
    acceptContent: ['json', 'msgpack'],
    taskAcksLate: true,
    workerPrefetchMultiplier: 1,
    taskRoutes: { 'feeds.*': { queue: 'feeds', routing_key: null }, 'web.tasks.*': 'web' },
  });
  expect(upgradeSettings(source)).toMatchObject({ left: [], others: ['HOUR'] });
});

test('f-strings of plain names, and two names at once', () => {
  const source = `HOST, PORT = 'h', 1
HOST = REDIS = 'h'
PORT = 6379
CELERY_BROKER_URL = CELERY_RESULT_BACKEND = f'redis://{HOST}:{ PORT }' '/' f"{{1}}"
CELERY_TIMEZONE = TIME_ZONE = 'Europe/Berlin'
`;
  const url = 'redis://h:6379/{1}';
  expect(values(source)).toEqual({ brokerUrl: url, resultBackend: url, timezone: 'Europe/Berlin' });
});

test('queues and schedules are carried over, and written so that they can be read again', async () => {
  const source = `from celery.schedules import crontab
from kombu import Queue, Exchange
default = Exchange('media', type='topic')
task_queues = (
    Queue('videos', default, routing_key='media.video.#'),
    Queue('images', Exchange('media', 'topic'), routing_key='media.image', max_priority=10),
)
beat_schedule = {
    'report': {'task': 'shop.report', 'schedule': crontab(minute=0, hour='*/3', day_of_week='mon-fri'), 'args': (16, "it's")},
    'sun': {'task': 'shop.sun', 'schedule': solar('sunset', -37.81, 144.96)},
    'tick': {'task': 'shop.tick', 'schedule': timedelta(minutes=1.5), 'options': {'queue': 'videos'}},
    'often': {'task': 'shop.often', 'schedule': schedule(run_every=timedelta(seconds=30), relative=True)},
}
`;
  const upgrade = upgradeSettings(source);
  expect(upgrade.left).toEqual([]);
  const text = configFile(upgrade, 'celeryconfig.py');
  expect(text).toContain("import { crontab, every, solar } from 'lovage';\n");
  expect(text).toContain("crontab({ minute: '0', hour: '*/3', dayOfWeek: 'mon-fri' })");
  const lovage = new URL('../../../src/index.ts', import.meta.url).href;
  const module = text.replace("'lovage'", JSON.stringify(lovage));
  const read = (await import(`data:text/javascript,${encodeURIComponent(module)}`)) as { default: Record<string, unknown> };
  expect(read.default).toEqual(values(source));
  expect(read.default.taskQueues).toEqual([
    { name: 'videos', exchange: 'media', exchangeType: 'topic', routingKey: 'media.video.#' },
    { name: 'images', exchange: 'media', exchangeType: 'topic', routingKey: 'media.image', maxPriority: 10 },
  ]);
});

test.each([
  [
    "BROKER_URL = os.environ.get('URL', 'x')",
    '1 BROKER_URL: it comes from the environment (URL): set LOVAGE_BROKER_URL there instead',
  ],
  ["BROKER_URL = os.environ['URL']", '1 BROKER_URL: it comes from the environment (URL): set LOVAGE_BROKER_URL there instead'],
  ["broker_url = f'redis://{host}'", '1 broker_url: an f-string is worked out when Python runs'],
  ["HOST = 'h'\nbroker_url = f'redis://{HOST.upper()}'", '2 broker_url: an f-string is worked out when Python runs'],
  ["broker_url = t'redis://x'", '1 broker_url: a t-string is worked out when Python runs'],
  ["result_backend = 'django-db'", "1 result_backend: Lovage has no result store of the kind 'django-db': name another one"],
  ["broker_url = ['redis://a', 'sqs://b']", "1 broker_url: Lovage has no broker of the kind 'sqs': known are amqp"],
  [
    "beat_scheduler = 'django_celery_beat.schedulers:DatabaseScheduler'",
    '1 beat_scheduler: its entries lie in a store of its own',
  ],
  ["accept_content = ['json', 'pickle']", "1 accept_content: The setting acceptContent cannot list 'pickle': reading it runs"],
  ["beat_schedule = {\n 'a': 1,\n 'b': later(),\n}", '1 beat_schedule: later(…) is worked out when Python runs (line 3)'],
  ['\nimports = ("proj.tasks",)', '2 imports: it names Python modules: name your TypeScript modules in imports'],
  ['BROKER_POOL_LIMIT = 3', '1 BROKER_POOL_LIMIT: one connection carries the publishes of a process, joined into batches'],
  ["CELERY_CACHE_BACKEND = 'memory'", '1 CELERY_CACHE_BACKEND: use resultBackend'],
  ["CELERY_NO_SUCH = 'x'", '1 CELERY_NO_SUCH: it is no setting that Celery 5 or Lovage knows'],
  ["task_serializer = pick('a')", '1 task_serializer: pick(…) is worked out when Python runs'],
  ["task_serializer = 'a' if x else 'b'", '1 task_serializer: it is worked out when Python runs'],
  ['task_time_limit = "soon"', '1 task_time_limit: The setting taskTimeLimit must be a number'],
  ["beat_schedule = {'a': {'task': 'x', 'schedule': crontab(hour=25)}}", '1 beat_schedule:'],
  ["beat_schedule = {'a': {'tsak': 'x'}}", "1 beat_schedule: The schedule entry 'a' has the unknown key 'tsak'"],
  ['if DEBUG:\n    task_always_eager = True', '1 if DEBUG: a block (if) is run by Python'],
  ['app.conf.update(x=1)', '1 app . conf . update: it is no assignment of a literal'],
])('%j is left with its reason', (source, text) => {
  expect(reasons(source).join('\n')).toContain(text);
  expect(upgradeSettings(source).carried).toEqual([]);
});

test('a file that is no Python is told with its line', () => {
  expect(() => upgradeSettings("a = 1\nb = 'x")).toThrow(PythonSyntaxError);
  expect(() => upgradeSettings('a = [1,\n2')).toThrow('a bracket is not closed');
});

test('nothing in a file makes the reader fail otherwise, and nothing gets out of the text that is written', () => {
  const piece = fc.constantFrom(
    ...[
      'broker_url',
      '=',
      "'redis://x'",
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      ',',
      ':',
      '\n',
      '"""',
      "'",
      '\\',
      'x',
      '-',
      '**',
      '9e9',
      '#',
      ';',
      '__proto__',
      '*/',
      '${',
      '`',
    ],
    ...['crontab(', 'timedelta(days=', 'task_routes', "b'\\xff'", 'Queue('],
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 30 }), (pieces) => {
      const source = pieces.join(' ');
      try {
        configFile(upgradeSettings(source), 'x.py');
      } catch (error) {
        if (!(error instanceof PythonSyntaxError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});
