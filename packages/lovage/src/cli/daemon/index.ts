// What programs that run by themselves need, the same for worker, beat and events: a pid file, another user and group, a file mode mask,
// and the way into the background. `asProgram` is what a command wraps its work in.
import { merge, object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import type { Parser } from '@optique/core/parser';
import { option } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import { type LogOptions, logOptions } from '../options.ts';
import { detach, detachedHasStarted, isDetached } from './detach.ts';
import { checkFile, type OwnFile } from './files.ts';
import { takePidFile } from './pid-file.ts';
import { dropPrivileges, readUmask } from './privileges.ts';

export interface DaemonOptions {
  readonly detach: boolean;
  readonly pidfile: string | undefined;
  readonly uid: string | undefined;
  readonly gid: string | undefined;
  readonly umask: string | undefined;
}

const daemonOptions: Parser<'sync', DaemonOptions, unknown> = object('Running in the background', {
  detach: option('-D', '--detach', { description: message`Run in the background; the command ends when the program runs.` }),
  pidfile: optional(
    option('--pidfile', string({ metavar: 'FILE' }), {
      description: message`Keep the process id in this file; %n name and %h host of the node. Ends with 73 when a live program holds it.`,
    }),
  ),
  uid: optional(option('--uid', string({ metavar: 'USER' }), { description: message`Become this user, a name or a number.` })),
  gid: optional(option('--gid', string({ metavar: 'GROUP' }), { description: message`Become this group.` })),
  umask: optional(option('--umask', string({ metavar: 'MASK' }), { description: message`File mode mask, octal, such as 022.` })),
});

/** A program's own options, how it logs, and these. */
export function withProgramOptions<Own>(
  own: Parser<'sync', Own, unknown>,
): Parser<'sync', Own & LogOptions & DaemonOptions, unknown> {
  // The library's types count the parsers that are merged.
  const all = merge as unknown as (
    own: Parser<'sync', Own, unknown>,
    log: typeof logOptions,
    daemon: typeof daemonOptions,
  ) => Parser<'sync', Own & LogOptions & DaemonOptions, unknown>;
  return all(own, logOptions, daemonOptions);
}

type Settings = Lovage['settings'];
type Given = Record<'pidfile' | 'uid' | 'gid' | 'umask', string | null>;

/** What the settings of the app say where the command line says nothing. */
const SETTINGS: Readonly<Record<Program['program'], (settings: Settings) => Given>> = {
  worker: (settings) => ({
    pidfile: settings.workerPidfile,
    uid: settings.workerUid,
    gid: settings.workerGid,
    umask: settings.workerUmask,
  }),
  beat: (settings) => ({
    pidfile: settings.beatPidfile,
    uid: settings.beatUid,
    gid: settings.beatGid,
    umask: settings.beatUmask,
  }),
  events: (settings) => ({
    pidfile: settings.eventsPidfile,
    uid: settings.eventsUid,
    gid: settings.eventsGid,
    umask: settings.eventsUmask,
  }),
};

/** A program that runs by itself. */
export interface Program {
  readonly program: 'worker' | 'beat' | 'events';
  readonly options: DaemonOptions;
  loadApp(): Promise<Lovage>;
  /** What `%n` and the like stand for in the name of the pid file. */
  expand(name: string, app: Lovage): string;
  /** Files that it will write: looked at before it starts. */
  files(app: Lovage): readonly OwnFile[];
  /** For people. */
  warn(text: string): void;
  /** Does the work; to be called: `started`, once it runs. Resolves to the exit code. */
  run(app: Lovage, started: () => void): Promise<number>;
}

/** Runs a program as its options say: in the background or here, as another user, with its pid file. Resolves to the exit code. */
export async function asProgram({ program, options, loadApp, expand, files, warn, run }: Program): Promise<number> {
  if (options.detach) return detach(program);
  const inBackground = isDetached();
  if (options.umask !== undefined) process.umask(readUmask(options.umask));
  // Before a line of the app is run, when the command line says so.
  dropPrivileges(options.uid, options.gid);
  const app = await loadApp();
  const settings = SETTINGS[program](app.settings);
  if (options.umask === undefined && settings.umask !== null) process.umask(readUmask(settings.umask));
  if (options.uid === undefined && options.gid === undefined)
    dropPrivileges(settings.uid ?? undefined, settings.gid ?? undefined);
  const name = options.pidfile ?? settings.pidfile;
  for (const file of [...files(app), { what: 'pid file', name, from: `--pidfile, setting ${program}Pidfile` }])
    if (typeof file.name === 'string') checkFile({ ...file, name: expand(file.name, app) });
  using _held = name === null ? undefined : takePidFile(expand(name, app), warn);
  return await run(app, inBackground ? detachedHasStarted : () => undefined);
}
