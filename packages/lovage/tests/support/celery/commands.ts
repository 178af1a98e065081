// Every command of Celery 5.6.2 with its options, and what Lovage does with each.

/** What becomes of it: `=` the same word in the same command; `-> …` another way; `no: …` refused, with the cure; `python: …` the reason. */
type Fate = string;

export interface CeleryCommand {
  readonly name: string;
  readonly fate: Fate;
  readonly options: Readonly<Record<string, Fate>>;
}

const daemon: Readonly<Record<string, Fate>> = {
  '--pidfile': '=',
  '--uid': '=',
  '--gid': '=',
  '--umask': '=',
  '--executable': 'no: children start with the Node of their parent',
};
const ask: Readonly<Record<string, Fate>> = { '-t, --timeout': '=', '-d, --destination': '=', '-j, --json': '=' };

export const celeryCommands: readonly CeleryCommand[] = [
  {
    name: '(global)',
    fate: '=',
    options: {
      '-A, --app': '=',
      '-b, --broker': '=',
      '--result-backend': '=',
      '--loader': 'python: loaders are classes of Python; Lovage finds apps by -A alone',
      '--config': '=',
      '--workdir': '=',
      '-C, --no-color': '=',
      '-q, --quiet': '=',
      '--version': '=',
      '--skip-checks': 'python: checks of Django',
      '--help': '=',
    },
  },
  {
    name: 'worker',
    fate: '=',
    options: {
      '-n, --hostname': '=',
      '-D, --detach': '=',
      '-S, --statedb': '=',
      '-l, --loglevel': '=',
      '-O, --optimization': 'no: there is one strategy, which gives a task to a free slot only (fair); leave it out',
      '--prefetch-multiplier': '=',
      '--disable-prefetch': '-> `-- worker.disablePrefetch=true`',
      '-c, --concurrency': '=',
      '-P, --pool': '=',
      '-E, --task-events': '=',
      '--time-limit': '=',
      '--soft-time-limit': '=',
      '--max-tasks-per-child': '=',
      '--max-memory-per-child': '=',
      '--purge': '=',
      '-Q, --queues': '=',
      '-X, --exclude-queues': '=',
      '-I, --include': '=',
      '--without-gossip': '=',
      '--without-mingle': '=',
      '--without-heartbeat': '=',
      '--heartbeat-interval': '=',
      '--autoscale': '=',
      '-B, --beat': '=',
      '-s, --schedule-filename': '-> `-s`, `--schedule` or `--schedule-filename`',
      '--scheduler': '=',
      '-f, --logfile': '=',
      ...daemon,
    },
  },
  {
    name: 'beat',
    fate: '=',
    options: {
      '--detach': '=',
      '-s, --schedule': '=',
      '-S, --scheduler': '=',
      '--max-interval': '=',
      '-l, --loglevel': '=',
      '-f, --logfile': '=',
      ...daemon,
    },
  },
  {
    name: 'events',
    fate: '=',
    options: {
      '-d, --dump': '=',
      '-c, --camera': '=',
      '-F, --frequency': '=',
      '-r, --maxrate': '=',
      '-l, --loglevel': '=',
      '--detach': '=',
      '-f, --logfile': '=',
      ...daemon,
    },
  },
  { name: 'status', fate: '=', options: ask },
  { name: 'inspect', fate: '=', options: { ...ask, '--list': '=' } },
  { name: 'control', fate: '=', options: { ...ask, '--list': '=' } },
  {
    name: 'call',
    fate: '=',
    options: {
      '-a, --args': '-> the JSON list behind the name of the task, or `-a`',
      '-k, --kwargs': '=',
      '--eta': '=',
      '--countdown': '=',
      '--expires': '=',
      '--serializer': '=',
      '--queue': '=',
      '--exchange': '=',
      '--routing-key': '=',
    },
  },
  {
    name: 'result',
    fate: '-> shows what is stored; waits with `--wait`',
    options: { '--traceback': '=', '-t, --task': 'no: one app has one result store; name another by --result-backend' },
  },
  { name: 'purge', fate: '=', options: { '-f, --force': '=', '-Q, --queues': '=', '-X, --exclude-queues': '=' } },
  { name: 'list', fate: '=', options: { bindings: '=' } },
  {
    name: 'migrate',
    fate: '=',
    options: {
      '-n, --limit': '=',
      '-t, --timeout': '=',
      '-a, --ack-messages': '=',
      '-T, --tasks': '=',
      '-Q, --queues': '=',
      '-F, --forever': '=',
    },
  },
  { name: 'report', fate: '=', options: {} },
  {
    name: 'shell',
    fate: "-> a prompt of Node's",
    options: {
      '-T, --without-tasks': '=',
      '-I, --ipython': "python: a shell of Python's",
      '-B, --bpython': "python: a shell of Python's",
      '--python': "python: a shell of Python's",
      '--eventlet': "python: a library of Python's",
      '--gevent': "python: a library of Python's",
    },
  },
  { name: 'graph', fate: '=', options: {} },
  {
    name: 'upgrade',
    fate: "-> `upgrade settings FILE` writes Lovage's configuration; Celery's file stays",
    options: {
      '--no-backup': '=',
      '--django': 'no: names with the prefix CELERY_ are read without it',
      '--compat': "no: it keeps old names, which only Celery's file has",
    },
  },
  { name: 'logtool', fate: '=', options: { stats: '=', traces: '=', errors: '=', incomplete: '=', debug: '=' } },
  { name: 'amqp', fate: '=', options: {} },
  {
    name: 'multi',
    fate: '=',
    options: { start: '=', stop: '=', stopwait: '=', restart: '=', kill: '=', show: '=', get: '=', names: '=', expand: '=' },
  },
];

/** Sub-commands of `amqp`; all hold where the broker has what they speak of (docs/cli.md). */
export const celeryAmqpCommands: readonly string[] = [
  ...['exchange.declare', 'exchange.delete', 'queue.bind', 'queue.declare', 'queue.delete', 'queue.purge'],
  ...['basic.get', 'basic.publish', 'basic.ack'],
];
