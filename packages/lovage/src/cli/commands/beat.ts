// `lovage beat`: sends periodic tasks until a signal ends it.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import { runBeatProgram } from '../../beat/index.ts';
import { logger, reasonOf, version } from '../../util/index.ts';
import { configureLogging, type LoggingOptions, type LogLevel, nodeFormat, nodeName, openLogFile } from '../../worker/index.ts';
import { asProgram, withProgramOptions } from '../daemon/index.ts';
import { type Command, defineCommand } from '../define.ts';
import { seconds } from '../options.ts';
import { keyValue } from './pairs.ts';

const log = logger('beat');

const parser = object({
  schedule: optional(
    option('-s', '--schedule', '--schedule-filename', string({ metavar: 'FILE' }), {
      description: message`Keep the schedule in this file (an SQLite database).`,
    }),
  ),
  scheduler: optional(
    option('-S', '--scheduler', string({ metavar: 'STORE' }), {
      description: message`Keep the schedule there: file, or a URL such as redis://host. Default: in the database of the broker, or of the results, or a file.`,
    }),
  ),
  maxInterval: optional(
    option('--max-interval', seconds(), { description: message`Longest time between two looks at the schedule; 1 second.` }),
  ),
  pairs: multiple(argument(keyValue(), { description: message`After --: settings over the app's own, such as beat.lease=10.` })),
});

/** Logs as the settings of the app say, unless an observer of setupLogging does it. */
async function setUpLogging(app: Lovage, file: string | undefined, given: LoggingOptions): Promise<Disposable | undefined> {
  const { workerLogFormat, workerLogColor, beatLogfile } = app.settings;
  const { signals } = app;
  const logfile = file ?? beatLogfile ?? undefined;
  const color = workerLogColor ?? (logfile === undefined && given.color === true);
  const told = { loglevel: given.level, logfile, format: workerLogFormat, colorize: color };
  await signals.setupLogging.tell(() => told);
  if (signals.setupLogging.observed) return undefined;
  const opened = logfile === undefined ? undefined : openLogFile(logfile);
  const write = opened === undefined ? {} : { write: (line: string): void => opened.write(line) };
  await configureLogging({ lineFormat: workerLogFormat, ...given, color, ...write });
  await signals.afterSetupLogger.tell(() => told);
  return opened;
}

export const beat: Command = defineCommand({
  name: 'beat',
  summary: 'Send periodic tasks when they are due. Any number may run; one of them leads.',
  examples: ['lovage -A tasks.ts beat -l INFO', 'lovage -A tasks.ts beat -S redis://localhost/1', 'lovage -A tasks.ts worker -B'],
  parser: withProgramOptions(parser),
  run: async (given, { loadApp, global, logColor, out }) => {
    const { loglevel, logFormat, logfile, pairs, schedule, scheduler, maxInterval, ...daemon } = given;
    const logging: LoggingOptions = {
      level: (loglevel ?? 'INFO') as LogLevel,
      format: logFormat ?? 'text',
      color: logColor,
      processName: 'Beat',
    };
    return asProgram({
      program: 'beat',
      options: daemon,
      loadApp: async () => {
        // Before the app is there, so that what its modules say is heard.
        await configureLogging(logging);
        return loadApp(pairs);
      },
      expand: (name) => nodeFormat(name, nodeName()),
      warn: (text) => out.warn(text),
      files: ({ settings }) => [
        { what: 'log file', name: logfile ?? settings.beatLogfile, from: '--logfile, setting beatLogfile' },
        { what: 'schedule file', name: schedule, from: '--schedule' },
      ],
      run: async (app, started) => {
        using file = await setUpLogging(app, logfile, logging);
        await app.importTasks();
        const begun = (store: string): void => {
          if (!global.quiet) process.stdout.write(`lovage beat v${version()}: schedule of '${app.name}' in ${store}\n`);
          started();
        };
        // Awaited here, because the log file is closed when this function returns.
        try {
          return await runBeatProgram(app, { filename: schedule, store: scheduler, maxInterval, started: begun });
        } catch (error) {
          // In the background nobody hears what else is told of it.
          if (file !== undefined) log.fatal('Unrecoverable error: {reason}', { reason: reasonOf(error) });
          throw error;
        }
      },
    });
  },
});
