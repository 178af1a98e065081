// Settings of workers.
import type { SettingRows } from './row.ts';

const logPrefix = '[%(asctime)s: %(levelname)s/%(processName)s] ';
const levels = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

export const workerSettings: SettingRows = {
  workerPool: {
    kind: 'string',
    default: 'async',
    old: 'CELERYD_POOL',
    about:
      "Where tasks run: 'async' many on one event loop, 'solo' one after the other, 'prefork' in processes, 'threads' in threads, or the path of a module that brings a pool.",
  },
  workerConcurrency: {
    kind: 'integer',
    default: null,
    min: 1,
    old: 'CELERYD_CONCURRENCY',
    about: 'Tasks that run at once; null: 10 for each core with async, 1 with solo, else the number of cores.',
  },
  workerPrefetchMultiplier: {
    kind: 'number',
    default: 1,
    old: 'CELERYD_PREFETCH_MULTIPLIER',
    about:
      'Messages held for each slot of the pool, those that run included, and one more while tasks take milliseconds; 0: no limit.',
  },
  workerDisablePrefetch: {
    kind: 'boolean',
    default: false,
    old: 'CELERYD_DISABLE_PREFETCH',
    about: 'Take a message only when a slot is free for it, however quick the tasks are.',
  },
  workerEtaTaskLimit: {
    kind: 'integer',
    default: null,
    old: 'CELERYD_ETA_TASK_LIMIT',
    about: 'Most messages held in memory because they are due soon.',
  },
  workerEnablePrefetchCountReduction: {
    kind: 'boolean',
    default: true,
    old: 'CELERYD_ENABLE_PREFETCH_COUNT_REDUCTION',
    about: 'After a reconnect, take messages only for slots that are free of the tasks from before it; false: for every slot.',
  },
  workerDetectQuorumQueues: {
    kind: 'boolean',
    default: true,
    old: 'CELERYD_DETECT_QUORUM_QUEUES',
    about: 'Look whether there are quorum queues, and choose the kind of prefetch by it.',
    ignored: 'each queue of RabbitMQ gets the kind of prefetch that it allows',
  },
  workerMaxTasksPerChild: {
    kind: 'integer',
    default: null,
    min: 1,
    old: 'CELERYD_MAX_TASKS_PER_CHILD',
    about:
      'Replace a slot of prefork or threads after this many tasks; with no pool chosen, this chooses prefork, and other pools refuse it.',
  },
  workerMaxMemoryPerChild: {
    kind: 'integer',
    default: null,
    min: 1,
    old: 'CELERYD_MAX_MEMORY_PER_CHILD',
    about:
      'Replace a slot that uses more than this many KiB, after its task: memory of the process with prefork, heap of the thread with threads; with no pool chosen, this chooses prefork, and other pools refuse it.',
  },
  workerProcAliveTimeout: {
    kind: 'seconds',
    default: 30,
    min: 0.1,
    old: 'CELERYD_PROC_ALIVE_TIMEOUT',
    about: 'Seconds that a new process or thread of the pool may take to load the app and to hear workerProcessInit.',
  },
  workerLostWait: {
    kind: 'seconds',
    default: 10,
    old: 'CELERYD_WORKER_LOST_WAIT',
    about: 'Seconds to wait for the result of a process that is gone.',
    ignored: 'what a process wrote before its end is read before it counts as gone',
  },
  workerSlotConcurrency: {
    kind: 'integer',
    default: 1,
    min: 1,
    celery: null,
    about:
      'Tasks at once in each process of prefork or thread of threads; a task that takes its slot down takes its neighbours along.',
  },
  workerSpareSlots: {
    kind: 'integer',
    default: 0,
    min: 0,
    celery: null,
    about: 'Processes of prefork or threads of threads that stand by, so that none is missed while another is replaced.',
  },
  workerSlotEntry: {
    kind: 'string',
    default: null,
    celery: null,
    about:
      'File that exports the app for the processes of prefork and threads of threads, where it is another than that of the worker: of an app that is bundled. Relative to the folder that -A is looked for from.',
  },
  workerSlotInspectPort: {
    kind: 'integer',
    default: null,
    min: 1,
    celery: null,
    about:
      "Open Node's debugger in each process of prefork, on the loopback: the first on this port, the second on the next, and so on. Whoever connects can run any code there.",
  },
  workerPoolRestarts: {
    kind: 'boolean',
    default: false,
    old: 'CELERYD_POOL_RESTARTS',
    about: 'Allow the control command pool_restart.',
  },
  workerHeapSnapshotDir: {
    kind: 'string',
    default: null,
    celery: null,
    about:
      'Folder into which the control command heap_snapshot writes; null: that command is refused, since a snapshot holds whatever is in memory.',
  },
  workerDirect: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_WORKER_DIRECT',
    about: 'Each worker also has a queue of its own, <node>.dq2.',
  },
  workerDisableRateLimits: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_DISABLE_RATE_LIMITS',
    about: 'Ignore all rate limits.',
  },
  workerDeduplicateSuccessfulTasks: {
    kind: 'boolean',
    default: true,
    old: 'CELERYD_DEDUPLICATE_SUCCESSFUL_TASKS',
    about:
      'A redelivered message whose task already succeeded is acknowledged without running again; false: it runs again, and the stored result stays.',
  },
  workerCancelLongRunningTasksOnConnectionLoss: {
    kind: 'boolean',
    default: false,
    old: 'CELERYD_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS',
    about:
      'Abort running tasks with late acknowledgement when the broker connection is lost (on Redis: the lease, which outlives a short loss of the connection); they run again when their messages come back, on whichever worker gets them.',
  },
  workerEnableRemoteControl: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_ENABLE_REMOTE_CONTROL',
    about:
      'Listen to control commands; false: none, nobody is asked for what was revoked at the start (mingle), and two workers may have one name.',
  },
  workerSendTaskEvents: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_SEND_EVENTS',
    about: 'Publish events about each task.',
  },
  workerStateDb: {
    kind: 'string',
    default: null,
    old: 'CELERYD_STATE_DB',
    about:
      'File in which a worker keeps what was revoked, and its logical clock, over a restart; %n, %h, %d and %p stand for parts of its name. Needed only where the result store keeps no revokes (docs/backends.md).',
  },
  workerRevokesMax: {
    kind: 'integer',
    default: 50_000,
    min: 1,
    celery: null,
    about: 'Most revoked ids, and most revoked stamps, that are kept; the oldest go first.',
  },
  workerRevokeExpires: {
    kind: 'seconds',
    default: 2_592_000,
    min: 1,
    celery: null,
    about:
      'Seconds that a revoke counts, in the worker and in the result store; on RabbitMQ a task that is due later runs all the same. In Celery three hours (the environment variable CELERY_WORKER_REVOKE_EXPIRES).',
  },
  workerSoftShutdownTimeout: {
    kind: 'seconds',
    default: 0,
    old: 'CELERYD_SOFT_SHUTDOWN_TIMEOUT',
    about: 'Seconds that running tasks still get before a cold shutdown; 0: none.',
  },
  workerEnableSoftShutdownOnIdle: {
    kind: 'boolean',
    default: false,
    old: 'CELERYD_ENABLE_SOFT_SHUTDOWN_ON_IDLE',
    about: 'workerSoftShutdownTimeout counts for a worker with no running task too.',
    ignored: 'what an idle worker holds is given back at once, so there is nothing to wait for',
  },
  shutdownTimeout: {
    kind: 'seconds',
    default: 20,
    nullable: true,
    celery: null,
    about:
      'Seconds that a warm shutdown waits for running tasks before they are aborted and given back; the process ends within nine seconds more. null: without limit.',
  },
  maxZombies: {
    kind: 'integer',
    default: 10,
    min: 1,
    nullable: true,
    celery: null,
    about:
      'Tasks that run on past their hard limit or an abort before the worker finishes what else runs and ends with exit code 1; null: any number.',
  },
  quarantineAfter: {
    kind: 'integer',
    default: 5,
    min: 1,
    nullable: true,
    celery: null,
    about:
      'Times in a row that messages of one task (three at least) end their process or thread before the task is in quarantine: one at a time is tried, ever more rarely, and the others wait in the broker until one comes to an end; null: never.',
  },
  maxLoopBlock: {
    kind: 'seconds',
    default: 600,
    min: 1,
    celery: null,
    about: 'Seconds that the event loop may stand still before the leases of a worker are given up and its process ended.',
  },
  loopBlockWarning: {
    kind: 'seconds',
    default: 1,
    min: 0.1,
    nullable: true,
    celery: null,
    about:
      'Seconds that the event loop of a worker may stand still before a warning says for how long it did, and which tasks ran then. After ten times as long a line on standard error says so meanwhile. null: neither.',
  },
  healthPort: {
    kind: 'integer',
    default: null,
    celery: null,
    about: 'Port on which a worker answers /livez, /readyz and /metrics over HTTP; 0: any; null: none.',
  },
  healthHost: {
    kind: 'string',
    default: '127.0.0.1',
    celery: null,
    about: 'Address of that port: loopback, or 0.0.0.0 where probes come from outside of the container.',
  },
  heartbeatFile: {
    kind: 'string',
    default: null,
    celery: null,
    about:
      "File that a worker touches every 5 seconds as long as it is alive; %n, %h, %d and %p stand for parts of the node's name.",
  },
  unknownTask: {
    kind: 'choice',
    choices: ['deadLetter', 'reject', 'requeue'],
    default: 'deadLetter',
    celery: null,
    about:
      "What happens to a message whose task is not registered: 'deadLetter', 'reject', or 'requeue' for a worker that knows it.",
  },
  workerHijackRootLogger: {
    kind: 'boolean',
    default: true,
    old: 'CELERYD_HIJACK_ROOT_LOGGER',
    about:
      "The worker command sets up logging once it has loaded the application; false: what the application set up (LogTape's configure with reset: true) stays.",
  },
  workerLogColor: {
    kind: 'boolean',
    default: null,
    old: 'CELERYD_LOG_COLOR',
    about: 'Colours in log lines; null: on a terminal.',
  },
  workerLogFormat: {
    kind: 'string',
    default: `${logPrefix}%(message)s`,
    old: 'CELERYD_LOG_FORMAT',
    about: "Form of log lines, with Python's names such as %(asctime)s.",
  },
  workerTaskLogFormat: {
    kind: 'string',
    default: `${logPrefix}%(task_name)s[%(task_id)s]: %(message)s`,
    old: 'CELERYD_TASK_LOG_FORMAT',
    about: 'Form of log lines written by tasks.',
  },
  workerRedirectStdouts: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_REDIRECT_STDOUTS',
    about: 'What tasks write to the console becomes log lines.',
  },
  workerRedirectStdoutsLevel: {
    kind: 'choice',
    choices: levels,
    default: 'WARNING',
    old: 'CELERY_REDIRECT_STDOUTS_LEVEL',
    about: 'Level of those lines.',
  },
  workerTimerPrecision: {
    kind: 'seconds',
    default: 1,
    old: 'CELERYD_TIMER_PRECISION',
    about: 'Longest sleep of the timer of due tasks, in seconds.',
    ignored: 'due tasks have a timer that is exact to the millisecond',
  },
  ...daemon('worker'),
  ...daemon('beat'),
  ...daemon('events'),
  workerLogfile: {
    kind: 'string',
    default: null,
    old: 'CELERYD_LOG_FILE',
    about:
      "File that `lovage worker` writes its log to; %n, %h, %d and %p stand for parts of the node's name. It is opened anew when it was rotated away.",
  },
};

/** Celery's daemon options, the same for three programs. */
function daemon(program: string, later?: string): SettingRows {
  const text = (about: string) => ({ kind: 'string' as const, default: null, about, ...(later === undefined ? {} : { later }) });
  return {
    [`${program}Logfile`]: text(`File that \`lovage ${program}\` writes its log to.`),
    [`${program}Pidfile`]: text(`File that holds the process id of \`lovage ${program}\`.`),
    [`${program}Uid`]: text(`User, by name or number, that \`lovage ${program}\` changes to.`),
    [`${program}Gid`]: text(`Group, by name or number, that \`lovage ${program}\` changes to.`),
    [`${program}Umask`]: text(`File mode mask of \`lovage ${program}\`, in octal.`),
  };
}
