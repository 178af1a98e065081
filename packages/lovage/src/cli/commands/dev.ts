// `lovage dev`: worker and beat on the embedded broker (or the app's own), started anew whenever a file of the application changes.
import { statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { integer, string } from '@optique/core/valueparser';
import { ConfigurationError } from '../../util/index.ts';
import { type Command, defineCommand, EXIT, type GlobalOptions } from '../define.ts';
import { Supervisor } from '../dev/supervisor.ts';
import { watchFiles } from '../dev/watch.ts';
import { levels } from '../levels.ts';
import { commaList } from '../options.ts';
import { printable } from '../output.ts';
import { keyValue } from './pairs.ts';

/** Seconds that a task may run on when its code has changed. */
const PATIENCE = 5;

const parser = object({
  watch: optional(
    option('-w', '--watch', commaList('FOLDERS'), {
      description: message`Watch these folders; the working directory if not given.`,
    }),
  ),
  noBeat: option('--no-beat', { description: message`Send no periodic tasks.` }),
  concurrency: optional(
    option('-c', '--concurrency', integer({ metavar: 'NUMBER', min: 1 }), { description: message`How many tasks at once.` }),
  ),
  pool: optional(option('-P', '--pool', string({ metavar: 'POOL' }), { description: message`How tasks run; see worker.` })),
  queues: optional(option('-Q', '--queues', commaList('QUEUES'), { description: message`Take from these queues only.` })),
  loglevel: optional(option('-l', '--loglevel', levels(), { description: message`How much to log; INFO if not given.` })),
  pairs: multiple(argument(keyValue(), { description: message`After --: settings over the app's own.` })),
});

const given = (name: string, value: string | number | undefined): readonly string[] =>
  value === undefined ? [] : [name, String(value)];

function globalWords(global: GlobalOptions, quiet: boolean): readonly string[] {
  const { app, broker, resultBackend, config, noColor } = global;
  return [
    ...given('-A', app),
    ...given('-b', broker),
    ...given('--result-backend', resultBackend),
    ...given('--config', config),
    ...(noColor ? ['-C'] : []),
    ...(quiet ? ['-q'] : []),
  ];
}

export const dev: Command = defineCommand({
  name: 'dev',
  summary: 'For development: worker and beat in one, started anew when a file of the application changes.',
  examples: ['lovage dev', 'lovage -A tasks.ts dev -c 4 -l DEBUG', 'lovage -A src/tasks.ts dev -w src,shared'],
  parser,
  run: async ({ watch: folders, noBeat, concurrency, pool, queues, loglevel, pairs }, { global, out }) => {
    const roots = (folders ?? ['.']).map((folder) => resolve(folder));
    const missing = roots.find((root) => statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true);
    if (missing !== undefined) throw new ConfigurationError(`dev: there is no folder '${missing}' to watch.`);
    const say = (event: string, facts: Readonly<Record<string, unknown>>, line: string): void => {
      if (out.json) out.answer({ event, ...facts }, []);
      else out.line(out.style('bold', `[dev] ${printable(line)}`));
    };
    // The banner is shown once.
    const args = (isFirst: boolean): readonly string[] => [
      ...[...globalWords(global, out.json || out.quiet || !isFirst), 'worker', ...(noBeat ? [] : ['-B'])],
      ...['-l', loglevel ?? 'INFO', '--shutdown-timeout', String(PATIENCE), '--allow-duplicate-name'],
      ...(out.json ? ['--log-format', 'json'] : []),
      ...[...given('-c', concurrency), ...given('-P', pool), ...given('-Q', queues?.join(','))],
      ...(pairs.length === 0 ? [] : ['--', ...pairs]),
    ];
    const supervisor = new Supervisor({
      args,
      quiet: out.json,
      started: (pid) => say('started', { pid }, `worker${noBeat ? '' : ' and beat'} started (pid ${pid})`),
      ended: (code) => say('ended', { code }, `the worker ended with code ${code}; waiting for a change`),
    });
    const told = Promise.withResolvers<void>();
    let times = 0;
    const stop = (): void => {
      if (++times > 1) supervisor.hurry();
      told.resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
    using watched = watchFiles(roots, (files) => {
      if (times > 0) return;
      const names = files.map((file) => relative('.', file));
      const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
      say('changed', { files: names }, `${names.slice(0, 3).join(', ')}${more} changed: starting anew`);
      void supervisor.restart();
    });
    const places = `${watched.folders} folder${watched.folders === 1 ? '' : 's'}`;
    say('watching', { folders: watched.folders }, `watching ${places}; Ctrl-C ends, and again at once`);
    supervisor.start();
    await told.promise;
    const code = await supervisor.stop();
    say('stopped', { code }, 'stopped; nothing is left running');
    return code === EXIT.ok || times > 1 ? EXIT.ok : code;
  },
});
