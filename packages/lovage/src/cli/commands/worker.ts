// `lovage worker`: runs a worker until a signal ends it.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { float, integer, string } from '@optique/core/valueparser';
import { configureLogging, type LogLevel, runWorkerProgram } from '../../worker/index.ts';
import { type Command, defineCommand } from '../define.ts';
import { commaList } from '../options.ts';
import { version } from '../version.ts';
import { levels } from './levels.ts';

const parser = object({
  hostname: optional(
    option('-n', '--hostname', string({ metavar: 'NAME' }), {
      description: message`Node name, name@host; %h full host, %n its first label, %d the rest.`,
    }),
  ),
  loglevel: optional(option('-l', '--loglevel', levels(), { description: message`How much to log.` })),
  logFormat: optional(
    option('--log-format', string({ metavar: 'text|json' }), {
      description: message`Lines for people, or one JSON object a line.`,
    }),
  ),
  concurrency: optional(
    option('-c', '--concurrency', integer({ metavar: 'NUMBER', min: 1 }), { description: message`How many tasks at once.` }),
  ),
  pool: optional(option('-P', '--pool', string({ metavar: 'POOL' }), { description: message`async (default) or solo.` })),
  queues: optional(option('-Q', '--queues', commaList('QUEUES'), { description: message`Take from these queues only.` })),
  excludeQueues: optional(
    option('-X', '--exclude-queues', commaList('QUEUES'), { description: message`Do not take from these.` }),
  ),
  include: optional(option('-I', '--include', commaList('MODULES'), { description: message`Further task modules.` })),
  prefetchMultiplier: optional(option('--prefetch-multiplier', integer({ metavar: 'NUMBER', min: 0 }))),
  timeLimit: optional(option('--time-limit', float({ metavar: 'SECONDS' }))),
  softTimeLimit: optional(option('--soft-time-limit', float({ metavar: 'SECONDS' }))),
  shutdownTimeout: optional(
    option('--shutdown-timeout', float({ metavar: 'SECONDS' }), { description: message`How long a warm shutdown may take.` }),
  ),
  purge: option('--purge', { description: message`Delete what waits before starting.` }),
});

export const worker: Command = defineCommand({
  name: 'worker',
  summary: 'Run a worker.',
  examples: ['lovage -A tasks.ts worker -c 50 -l INFO', 'lovage -A tasks.ts worker -Q payments,mail -n w1@%h'],
  parser,
  run: async ({ loglevel, logFormat, ...options }, { loadApp, global }) => {
    await configureLogging({
      level: (loglevel ?? 'INFO') as LogLevel,
      format: logFormat === 'json' ? 'json' : 'text',
      color: !global.noColor && process.stderr.isTTY === true,
    });
    const app = await loadApp();
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    return runWorkerProgram(app, { ...given, banner: !global.quiet, version: version() });
  },
});
