// Every signal of Celery 5.6.2, what Lovage does with it, and a test in which it is told. `no` and `python` say why there is none.

export interface CelerySignal {
  readonly name: string;
  /** When it is told, or why never. */
  readonly fate: string;
  /** Where its observers run. */
  readonly where: string;
  /** Undefined for those that are not there. */
  readonly test: string | undefined;
}

const row = (name: string, where: string, fate: string, test?: string): CelerySignal => ({ name, where, fate, test });

const AROUND = 'unit/task/around.test.ts';
const START = 'unit/worker/shutdown.test.ts';
const PROGRAMS = 'conformance/cli/signals.test.ts';
const BAD = 'unit/consumer/malformed.test.ts';

export const celerySignals: readonly CelerySignal[] = [
  row('before_task_publish', 'caller', 'before a call is sent; what it sees cannot be changed, middleware can', PROGRAMS),
  row('after_task_publish', 'caller', 'once the broker has the call', PROGRAMS),
  row('task_sent', '', 'no: after_task_publish tells the same; Celery calls it deprecated'),
  row(
    'task_received',
    'worker',
    'a message was accepted, before its time and its rate are looked at',
    'unit/consumer/basic.test.ts',
  ),
  row('task_prerun', 'slot', 'before a task runs', AROUND),
  row('task_postrun', 'slot', 'after each run, with its state; once for each task_prerun', AROUND),
  row('task_success', 'slot', 'a run succeeded', AROUND),
  row('task_retry', 'slot', 'a run asked for another one', AROUND),
  row('task_failure', 'slot, worker', 'a run failed; once for each, `origin` says who tells it', AROUND),
  row('task_internal_error', 'slot', "an error in Lovage's own code around a task", 'unit/task/follow.test.ts'),
  row('task_revoked', 'worker', 'expired, revoked or terminated', 'unit/consumer/flow.test.ts'),
  row('task_rejected', 'worker', 'a message that cannot be used', BAD),
  row('task_unknown', 'worker', 'a task that no module here has', BAD),
  row('celeryd_init', 'worker', 'first of all, with the options', START),
  row('worker_init', 'worker', 'before a worker starts', START),
  row('celeryd_after_setup', 'worker', 'the queues are chosen, nothing has started', START),
  row('import_modules', 'every program', 'task modules are about to be loaded; with those that are new', PROGRAMS),
  row('worker_before_create_process', 'worker', 'before a process or thread of the pool starts', PROGRAMS),
  row('worker_process_init', 'slot', 'a process or thread has started; in the worker where the pool has none', PROGRAMS),
  row('worker_process_shutdown', 'slot', 'a process is about to end', PROGRAMS),
  row('worker_ready', 'worker', 'the worker takes tasks', START),
  row('heartbeat_sent', 'worker', 'with each heartbeat', 'unit/worker/events.test.ts'),
  row('worker_shutting_down', 'worker', 'a shutdown begins, whatever the cause', START),
  row('worker_shutdown', 'worker', 'a worker has stopped', START),
  row('setup_logging', 'every program', 'logs are about to be set up; an observer does it instead', START),
  row('after_setup_logger', 'every program', 'logs were set up', START),
  row('after_setup_task_logger', 'every program', 'the logs of tasks were set up', START),
  row('beat_init', 'beat', 'beat starts', PROGRAMS),
  row('beat_embedded_init', 'worker', 'beat starts inside of a worker, after beat_init', PROGRAMS),
  row('eventlet_pool_started', '', "python: a pool of Python's"),
  row('eventlet_pool_preshutdown', '', "python: a pool of Python's"),
  row('eventlet_pool_postshutdown', '', "python: a pool of Python's"),
  row('eventlet_pool_apply', '', "python: a pool of Python's"),
  row(
    'user_preload_options',
    'command line',
    'options that the app adds to every command were read',
    'conformance/cli/user-options.test.ts',
  ),
  row('test_worker_starting', '', 'no: a test starts a worker by startWorker, which resolves when it takes tasks'),
  row('test_worker_started', '', 'no: a test starts a worker by startWorker, which resolves when it takes tasks'),
  row('test_worker_stopped', '', 'no: a test awaits stop() of its worker'),
  row('on_configure', 'every program', 'before the settings are read', PROGRAMS),
  row('on_after_configure', 'every program', 'the settings are there', PROGRAMS),
  row('on_after_finalize', 'every program', 'the task modules are loaded; once', PROGRAMS),
  row('on_after_fork', '', 'python: Node does not fork; worker_process_init is told in each process'),
];
