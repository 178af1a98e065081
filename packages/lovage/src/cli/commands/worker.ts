// `lovage worker`: runs a worker until a signal ends it.
import { object } from '@optique/core/constructs';
import { message, text } from '@optique/core/message';
import { multiple, optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { integer, string, type ValueParser } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import type { BeatStep, StoreChoice } from '../../beat/index.ts';
import { poolNames } from '../../pool/index.ts';
import { ConfigurationError, version } from '../../util/index.ts';
import {
  type AutoscaleBounds,
  configureLogging,
  type LogLevel,
  nodeFormat,
  nodeName,
  type ProgramLogging,
  readAutoscale,
  runWorkerProgram,
  type SignalOptions,
} from '../../worker/index.ts';
import { asProgram, withProgramOptions } from '../daemon/index.ts';
import { type Command, defineCommand } from '../define.ts';
import { heedLeash } from '../dev/leash.ts';
import { commaList, seconds } from '../options.ts';
import { keyValue } from './pairs.ts';

const parser = object({
  hostname: optional(
    option('-n', '--hostname', string({ metavar: 'NAME' }), {
      description: message`Node name, name@host; %h full host, %n its first label, %d the rest.`,
    }),
  ),
  concurrency: optional(
    option('-c', '--concurrency', integer({ metavar: 'NUMBER', min: 1 }), { description: message`How many tasks at once.` }),
  ),
  pool: optional(
    option('-P', '--pool', pools(), {
      description: message`How tasks run: many at once on one event loop (async, the default), one at a time (solo), in processes (prefork) or in threads (threads); or a module that brings a pool.`,
    }),
  ),
  autoscale: optional(
    option('--autoscale', range(), { description: message`As many slots as there is work for, between these bounds.` }),
  ),
  taskEvents: optional(option('-E', '--task-events', { description: message`Send events about tasks, for monitors.` })),
  gossip: optional(option('--gossip', { description: message`Listen to the events of other workers, as Celery's do.` })),
  withoutGossip: option('--without-gossip', { description: message`Do not, which is the default; Celery's flag.` }),
  withoutHeartbeat: option('--without-heartbeat', { description: message`Send no heartbeats.` }),
  heartbeatInterval: optional(
    option('--heartbeat-interval', seconds(), { description: message`Time between two heartbeats; 2 seconds.` }),
  ),
  queues: optional(option('-Q', '--queues', commaList('QUEUES'), { description: message`Take from these queues only.` })),
  excludeQueues: optional(
    option('-X', '--exclude-queues', commaList('QUEUES'), { description: message`Do not take from these.` }),
  ),
  include: optional(option('-I', '--include', commaList('MODULES'), { description: message`Further task modules.` })),
  prefetchMultiplier: optional(
    option('--prefetch-multiplier', integer({ metavar: 'NUMBER', min: 0 }), {
      description: message`Messages held for each slot; 0 is no limit.`,
    }),
  ),
  timeLimit: optional(option('--time-limit', seconds(), { description: message`Abort a task after so long.` })),
  softTimeLimit: optional(option('--soft-time-limit', seconds(), { description: message`Ask a task to end after so long.` })),
  slotConcurrency: optional(
    option('--slot-concurrency', integer({ metavar: 'NUMBER', min: 1 }), {
      description: message`Tasks at once in each process or thread; -c says how many of these there are.`,
    }),
  ),
  maxTasksPerChild: optional(
    option('--max-tasks-per-child', integer({ metavar: 'NUMBER', min: 1 }), {
      description: message`Replace a process or thread after so many tasks.`,
    }),
  ),
  maxMemoryPerChild: optional(
    option('--max-memory-per-child', integer({ metavar: 'KIB', min: 1 }), {
      description: message`Replace a process or thread that uses more memory, after its task.`,
    }),
  ),
  spareSlots: optional(
    option('--spare-slots', integer({ metavar: 'NUMBER', min: 0 }), {
      description: message`Processes or threads that stand by while others are replaced.`,
    }),
  ),
  slotEntry: optional(
    option('--slot-entry', string({ metavar: 'FILE' }), {
      description: message`The file that exports the app for processes and threads, where it is another than that of -A.`,
    }),
  ),
  slotInspectPort: optional(
    option('--slot-inspect-port', integer({ metavar: 'PORT', min: 1, max: 65_535 }), {
      description: message`Open Node's debugger in each process of prefork, on the loopback: on this port, the next, and so on.`,
    }),
  ),
  shutdownTimeout: optional(
    option('--shutdown-timeout', seconds(), { description: message`How long a warm shutdown may take.` }),
  ),
  maxZombies: optional(
    option('--max-zombies', integer({ metavar: 'NUMBER', min: 1 }), {
      description: message`Tasks that run on past their time limit before the worker stops.`,
    }),
  ),
  healthPort: optional(
    option('--health-port', integer({ metavar: 'PORT', min: 0, max: 65_535 }), {
      description: message`Answer /livez, /readyz and /metrics on this port of the loopback (setting healthHost).`,
    }),
  ),
  heartbeatFile: optional(
    option('--heartbeat-file', string({ metavar: 'FILE' }), {
      description: message`Touch this file as long as the worker is alive.`,
    }),
  ),
  stateDb: optional(
    option('-S', '--statedb', string({ metavar: 'FILE' }), {
      description: message`Keep what was revoked in this file; %n, %h, %d and %p stand for parts of the node's name.`,
    }),
  ),
  beat: option('-B', '--beat', { description: message`Send periodic tasks too, as lovage beat does.` }),
  schedule: optional(
    option('-s', '--schedule', '--schedule-filename', string({ metavar: 'FILE' }), {
      description: message`With -B: keep the schedule in this file.`,
    }),
  ),
  scheduler: optional(
    option('--scheduler', string({ metavar: 'STORE' }), { description: message`With -B: keep the schedule there; see beat.` }),
  ),
  withoutMingle: option('--without-mingle', { description: message`Do not ask other workers what is revoked.` }),
  allowDuplicateName: option('--allow-duplicate-name', {
    description: message`Go on although another worker has this name.`,
  }),
  purge: option('--purge', { description: message`Delete what waits before starting.` }),
  pairs: multiple(
    argument(keyValue(), { description: message`After --: settings over the app's own, such as shutdownTimeout=60.` }),
  ),
});

/** The pools that there are; the names that Celery's users know them by are taken too. */
function pools(): ValueParser<'sync', string> {
  return {
    mode: 'sync',
    metavar: 'POOL',
    placeholder: 'async',
    choices: poolNames,
    // The worker itself knows the aliases, and pools of modules.
    parse: (input) => ({ success: true, value: input }),
    format: (value) => value,
    *suggest(prefix) {
      for (const name of poolNames) if (name.startsWith(prefix)) yield { kind: 'literal', text: name };
    },
  };
}

/** `10,3`, in any order. */
function range(): ValueParser<'sync', AutoscaleBounds> {
  return {
    mode: 'sync',
    metavar: 'MAX,MIN',
    placeholder: { max: 1, min: 1 },
    parse: (input) => {
      try {
        return { success: true, value: readAutoscale(input) };
      } catch (error) {
        return { success: false, error: message`${text(error instanceof Error ? error.message : String(error))}` };
      }
    },
    format: ({ max, min }) => `${max},${min}`,
  };
}

/** Celery's variable for the seconds after which a pool that is scaled shrinks. */
function keepaliveOf({ AUTOSCALE_KEEPALIVE: text }: NodeJS.ProcessEnv): { readonly keepalive?: number } {
  if (text === undefined || text === '') return {};
  const keepalive = Number(text);
  if (Number.isFinite(keepalive) && keepalive > 0) return { keepalive };
  throw new ConfigurationError(`AUTOSCALE_KEEPALIVE is '${text}', which is no number of seconds.`);
}

/** What the environment says of signals. A worker at a terminal ends with it, others start anew at a HUP. */
function signalOptions(environment: NodeJS.ProcessEnv, again: () => void): SignalOptions {
  const { REMAP_SIGTERM, LOVAGE_RDBSIG, CELERY_RDBSIG } = environment;
  const canRestart = process.stdout.isTTY !== true && typeof process.execve === 'function';
  return {
    termIsQuit: REMAP_SIGTERM === 'SIGQUIT',
    debug: [LOVAGE_RDBSIG, CELERY_RDBSIG].some((value) => value !== undefined && !/^(|0|false|no|off)$/i.test(value)),
    ...(canRestart ? { restart: again } : {}),
  };
}

/** Beat as a part of the worker; loaded by those that have one. */
async function beatOf(app: Lovage, choice: StoreChoice): Promise<BeatStep> {
  const { beatStep } = await import('../../beat/index.ts');
  return beatStep(app, choice);
}

export const worker: Command = defineCommand({
  name: 'worker',
  summary: 'Run a worker.',
  examples: [
    'lovage -A tasks.ts worker -c 50 -l INFO',
    'lovage -A tasks.ts worker -Q payments,mail -n w1@%h',
    'lovage -A tasks.ts worker -- shutdownTimeout=60',
  ],
  parser: withProgramOptions(parser),
  run: async (given, { loadApp, global, logColor, userOptions, again, out }) => {
    heedLeash();
    const { loglevel, logFormat, logfile, pairs, withoutGossip, withoutMingle, beat, schedule, scheduler, ...rest } = given;
    const { detach, pidfile, uid, gid, umask, ...options } = rest;
    const logging: ProgramLogging = {
      file: logfile,
      level: (loglevel ?? 'INFO') as LogLevel,
      format: logFormat ?? 'text',
      color: logColor,
    };
    const own = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    if (options.autoscale !== undefined) own.autoscale = { ...options.autoscale, ...keepaliveOf(process.env) };
    if (withoutGossip) own.gossip = false;
    if (withoutMingle) own.mingle = false;
    return asProgram({
      program: 'worker',
      options: { detach, pidfile, uid, gid, umask },
      loadApp: async () => {
        // Before the app is there, so that what its modules say is heard; the worker does it again with the settings of the app.
        await configureLogging(logging);
        return loadApp(pairs);
      },
      expand: (name) => nodeFormat(name, nodeName(options.hostname)),
      warn: (text) => out.warn(text),
      files: ({ settings }) => [
        { what: 'log file', name: logfile ?? settings.workerLogfile, from: '--logfile, setting workerLogfile' },
        { what: 'state file', name: options.stateDb ?? settings.workerStateDb, from: '--statedb, setting workerStateDb' },
        {
          what: 'heartbeat file',
          name: options.heartbeatFile ?? settings.heartbeatFile,
          from: '--heartbeat-file, setting heartbeatFile',
        },
        ...(beat ? [{ what: 'schedule file', name: schedule, from: '--schedule' }] : []),
      ],
      run: async (app, started) =>
        runWorkerProgram(app, {
          ...own,
          ...(beat ? { steps: [await beatOf(app, { filename: schedule, store: scheduler })] } : {}),
          userOptions,
          banner: !global.quiet,
          version: version(),
          logging,
          signals: signalOptions(process.env, again),
          title: true,
          prepared: started,
        }),
    });
  },
});
