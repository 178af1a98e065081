// What the transcripts of docs/cli.md are made of: lines as a person types them, by the command that they show, in the order in which
// they are run. One folder, the embedded broker, and the worker that `worker` starts and that runs until the last line.
const TASKS = `import { Lovage } from 'lovage';

export const app = new Lovage('shop');
export const add = app.task('shop.add', (x: number, y: number) => x + y);
export const resize = app.task('shop.resize', (path: string, width: number) => \`\${path}, \${width} wide\`);
export const charge = app.task('shop.charge', { acksOnFailure: false }, (order: string) => {
  throw new TypeError(\`no card for \${order}\`);
});
const frame = app.task('shop.frame', (picture: string) => \`[\${picture}]\`);
export const framed = resize.s('a.png', 320).pipe(frame.s());
`;

const CELERY = `broker_url = 'redis://localhost/1'
task_default_queue = 'shop'
task_time_limit = 5 * 60
task_serializer = 'pickle'
beat_schedule = {
    'nightly': {'task': 'shop.report', 'schedule': crontab(hour=2, minute=30)},
}
`;

const LOG = `[2026-11-23 18:00:41,120: INFO/MainProcess] Task shop.add[6f1d2a3c-58b4-4e0f-9a71-000000000101] received
[2026-11-23 18:00:41,131: INFO/MainProcess] Task shop.add[6f1d2a3c-58b4-4e0f-9a71-000000000101] succeeded in 0.0104s: 5
[2026-11-23 18:00:42,001: INFO/MainProcess] Task shop.charge[6f1d2a3c-58b4-4e0f-9a71-000000000102] received
[2026-11-23 18:00:42,033: ERROR/MainProcess] Task shop.charge[6f1d2a3c-58b4-4e0f-9a71-000000000102] raised unexpected: TypeError: no card for o-1
TypeError: no card for o-1
    at file:///home/me/shop/tasks.ts:7:9
[2026-11-23 18:00:43,500: INFO/MainProcess] Task shop.resize[6f1d2a3c-58b4-4e0f-9a71-000000000103] received
`;

const CAMERA = `export const camera = (state) => console.log(\`workers: \${state.aliveWorkers().length}\`);
`;

export const FILES: Readonly<Record<string, string>> = {
  'tasks.ts': TASKS,
  'celeryconfig.py': CELERY,
  'camera.mjs': CAMERA,
  'worker.log': LOG,
};

/** For the demonstration. */
export const TEXTS: Readonly<Record<string, string>> = {
  'first.txt': 'A task queue has tasks, workers and a broker between them.\nWorkers take tasks from the broker.\n',
  'second.txt': 'A broker keeps tasks until workers take them.\n',
};

/** One line, and how it ends when it does not by itself. */
export interface Line {
  readonly run: string;
  /** Ended with TERM when it has written this. */
  readonly until?: string;
  /** Goes on in the background when it has written this; what it wrote until then is shown. */
  readonly background?: string;
  /** Run, unseen, before the line: what waits until things are as the line wants them. */
  readonly before?: string;
  /** Run, unseen, once the line has written its first words. */
  readonly meanwhile?: string;
  /** Lines that come in another order each time, or are of the machine: they are not shown. */
  readonly omit?: RegExp;
}

export interface Scene {
  readonly command: string;
  readonly lines: readonly (string | Line)[];
}

/** A letter lies there a moment after its task's result. */
const LETTER_LIES = 'until lovage dlq list | grep -q o-1; do sleep 0.05; done';

export const SCENES: readonly Scene[] = [
  {
    command: 'call',
    lines: ["lovage call shop.add '[2, 3]'", 'lovage call shop.resize \'["a.png", 320]\' --queue images --countdown 3600'],
  },
  {
    command: 'queues',
    lines: [
      'lovage queues celery images',
      'lovage queues peek celery',
      'lovage queues pause images',
      'lovage queues resume images --json',
    ],
  },
  { command: 'list', lines: ['lovage list bindings'] },
  { command: 'migrate', lines: ['lovage migrate sqlite://./.lovage/shop.db sqlite://./copy.db --queues celery'] },
  { command: 'purge', lines: ['lovage purge', 'lovage purge -Q celery,images --force'] },
  {
    command: 'amqp',
    lines: [
      'lovage amqp queue.declare mail',
      "lovage amqp basic.publish hello '' mail",
      'lovage amqp basic.get mail no_ack=yes',
      'lovage amqp queue.delete mail --force',
    ],
  },
  {
    command: 'worker',
    lines: [{ run: 'lovage worker -n w1@box -c 4 -E', background: 'mingle: all alone' }],
  },
  {
    command: 'call',
    lines: [
      "lovage call shop.add '[2, 3]' --wait",
      "lovage call shop.add '[2, 3]' --wait --json",
      'lovage call shop.charge \'["o-1"]\' --wait',
    ],
  },
  { command: 'result', lines: ['lovage result no-such-id', 'lovage result no-such-id --json'] },
  {
    command: 'dlq',
    lines: [
      { run: 'lovage dlq list', before: LETTER_LIES },
      'lovage dlq retry --reason failed',
      { run: 'lovage dlq purge --all --force', before: LETTER_LIES },
    ],
  },
  { command: 'status', lines: ['lovage status'] },
  {
    command: 'inspect',
    lines: [
      'lovage inspect ping',
      'lovage inspect registered --json',
      'lovage inspect active',
      'lovage inspect pnig',
      'lovage inspect ping -d w9@box -t 0.2',
    ],
  },
  {
    command: 'control',
    lines: [
      'lovage control rate_limit shop.add 100/m',
      'lovage control rate_limit nosuch 1/s',
      'lovage control add_consumer mail',
    ],
  },
  {
    command: 'events',
    lines: [
      {
        run: 'lovage events --dump --types task-received,task-succeeded --limit 2',
        meanwhile: "lovage call shop.add '[2, 3]'",
      },
      { run: 'lovage events --camera ./camera.mjs -F 0.1', until: 'workers: 1' },
    ],
  },
  {
    command: 'schedule',
    lines: [
      "lovage schedule add nightly --task shop.add --crontab '30 2 * * *' --args '[1, 2]' --timezone Europe/Berlin",
      "lovage schedule add often --task shop.add --crontab '61 * * * *'",
      'lovage schedule list',
      'lovage schedule pause nightly',
      'lovage schedule run nightly',
      'lovage schedule remove nightly',
    ],
  },
  { command: 'beat', lines: [{ run: 'lovage beat -l INFO', until: 'leads now' }] },
  {
    command: 'graph',
    lines: ['lovage graph canvas tasks.ts:framed', 'lovage graph workers', 'lovage graph bootsteps worker'],
  },
  { command: 'shell', lines: ["lovage shell --eval '(await add.delay(20, 22)).get({ timeout: 10 })'"] },
  {
    command: 'logtool',
    lines: ['lovage logtool stats worker.log', 'lovage logtool traces worker.log', 'lovage logtool incomplete worker.log'],
  },
  { command: 'config', lines: ['lovage config', 'LOVAGE_WORKER_CONCURRENCY=3 lovage config workerConcurrency'] },
  { command: 'doctor', lines: ['lovage doctor'] },
  { command: 'report', lines: ['lovage report'] },
  {
    command: 'multi',
    lines: [
      'lovage multi show 2 -c 3 -Q:2 mail',
      'lovage multi start 1 -c 2 --suffix=box',
      'lovage multi stopwait 1 --suffix=box',
      'lovage multi frob 2',
    ],
  },
  { command: 'dev', lines: [{ run: 'lovage dev', until: ' ready.', omit: /^\[2026|concurrency:/ }] },
  { command: 'demo', lines: ['lovage demo texts'] },
  // The last one: what it writes is the configuration of all that would follow.
  { command: 'upgrade', lines: ['lovage upgrade settings celeryconfig.py', 'cat lovage.config.ts'] },
];
