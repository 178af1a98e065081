// `lovage events`: a live monitor in the terminal, every event as a line, or snapshots by a module of the user.
import { once } from 'node:events';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional, withDefault } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { integer, string } from '@optique/core/valueparser';
import { importModule, type Lovage, resolveModule, splitExport } from '../../app/index.ts';
import type { CameraOptions, StreamEvent } from '../../event/index.ts';
import { writeEvent } from '../../protocol/index.ts';
import { ConfigurationError, reasonOf, redactData, redactUrl } from '../../util/index.ts';
import { configureLogging, type LogLevel, nodeFormat, nodeName, openLogFile } from '../../worker/index.ts';
import { asProgram, withProgramOptions } from '../daemon/index.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import type { Action } from '../monitor/model.ts';
import { runMonitor } from '../monitor/run.ts';
import { commaList, type LogOptions, seconds } from '../options.ts';
import { toJson } from '../output.ts';
import { createDump } from './event-lines.ts';
import { reachBroker } from './reach.ts';
import { untilTold } from './until-told.ts';

const parser = object({
  dump: option('-d', '--dump', { description: message`Print every event as a line.` }),
  camera: optional(
    option('-c', '--camera', string({ metavar: 'MODULE' }), {
      description: message`Take snapshots with this module's camera: path, or path:export.`,
    }),
  ),
  frequency: withDefault(
    option('-F', '--frequency', '--freq', seconds(), { description: message`Time between two snapshots.` }),
    1,
    { message: message`1` },
  ),
  maxrate: optional(
    option('-r', '--maxrate', string({ metavar: 'RATE' }), { description: message`Most snapshots in a time, such as 10/m.` }),
  ),
  types: optional(
    option('--types', commaList('TYPES'), {
      description: message`With --dump: only events of these types, such as task-failed.`,
    }),
  ),
  limit: optional(
    option('--limit', integer({ metavar: 'NUMBER', min: 1 }), { description: message`With --dump: end after so many events.` }),
  ),
});

/** Waits where the reader of a pipe is slower than the events. */
async function write(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

interface DumpOptions {
  readonly types: readonly string[] | undefined;
  readonly limit: number | undefined;
}

async function dump(app: Lovage, { types, limit }: DumpOptions, { out }: CommandContext): Promise<number> {
  const lineOf = createDump();
  const jsonOf = (event: StreamEvent): string => toJson(event.type === 'gap' ? event : redactData(writeEvent(event)));
  let begun = false;
  const stream = app.events({
    signal: untilTold(),
    ...(types === undefined ? {} : { types }),
    ...(limit === undefined ? {} : { limit }),
    onState: (state, error) => {
      // What is sent from now on is seen.
      if (state === 'listening' && !begun) out.line('-> evdump: starting capture...');
      begun ||= state === 'listening';
      if (state === 'lost') out.warn(`-> Connection lost, attempting reconnect (${reasonOf(error)})`);
    },
  });
  for await (const event of stream) await write(out.json ? jsonOf(event) : lineOf(event));
  return EXIT.ok;
}

/** Sets the log of a camera up; disposing closes its file. */
async function cameraLog(
  name: string | undefined,
  { loglevel, logFormat }: Pick<LogOptions, 'loglevel' | 'logFormat'>,
): Promise<Disposable | undefined> {
  if (name === undefined && loglevel === undefined && logFormat === undefined) return undefined;
  const file = name === undefined ? undefined : openLogFile(name);
  await configureLogging({
    level: (loglevel ?? 'INFO') as LogLevel,
    ...(logFormat === undefined ? {} : { format: logFormat }),
    ...(file === undefined ? {} : { write: (line: string): void => file.write(line) }),
  });
  return file;
}

type CameraModule = Omit<CameraOptions, 'every' | 'maxRate'>;

function isCamera(value: unknown): value is CameraModule {
  return typeof value === 'object' && value !== null && 'take' in value && typeof value.take === 'function';
}

/** A function, which takes the snapshot, or an object with `take` and, if it likes, `cleanup` and `clearAfter`. */
async function loadCamera(source: string): Promise<CameraModule> {
  const { path, name } = splitExport(source);
  const exported = (await importModule(resolveModule(path))) as Readonly<Record<string, unknown>>;
  const found = name === undefined ? (exported.camera ?? exported.default) : exported[name];
  if (typeof found === 'function') return { take: found as CameraModule['take'] };
  if (isCamera(found)) return found;
  throw new ConfigurationError(
    `--camera: '${source}' exports no camera. Export a function that takes the state, or an object with such a function 'take', as 'camera' or by a name given after a colon.`,
  );
}

interface SnapshotOptions {
  readonly source: string;
  readonly frequency: number;
  readonly maxrate: string | undefined;
  readonly started: () => void;
}

async function snapshots(app: Lovage, options: SnapshotOptions, { out }: CommandContext): Promise<number> {
  const { source, frequency, maxrate, started } = options;
  const camera = await loadCamera(source);
  const signal = untilTold();
  out.line(`-> evcam: Taking snapshots with ${source} (every ${frequency.toFixed(1)} secs.)`);
  await using running = await app.events.camera({
    ...camera,
    every: frequency,
    ...(maxrate === undefined ? {} : { maxRate: maxrate }),
    signal,
  });
  started();
  await running.live.closed;
  return EXIT.ok;
}

/** Carries out what a key of the monitor asked for, on all workers. */
function act(app: Lovage): (action: Exclude<Action, { readonly kind: 'quit' }>) => Promise<string> {
  return async (action) => {
    const answers =
      action.kind === 'rate'
        ? await app.control.rateLimit(action.name, action.rate, { wait: true })
        : await app.control.revoke(action.uuid, { terminate: action.terminate, wait: true });
    const words = Object.entries(answers).map(([node, answer]) => `${node}: ${answer.ok ?? answer.error ?? 'done'}`);
    return words.length === 0 ? 'No worker answered.' : words.join('  ');
  };
}

async function monitor(app: Lovage, url: string, { out }: CommandContext): Promise<number> {
  const { stdin: input, stdout: output } = process;
  if (!input.isTTY || !output.isTTY) {
    out.warn('The monitor needs a terminal. Use --dump to print events into a file or a pipe.');
    return EXIT.unavailable;
  }
  const color = out.style('bold', 'x') !== 'x';
  await runMonitor({ app, broker: redactUrl(url), color, input, output, act: act(app) });
  return EXIT.ok;
}

export const events: Command = defineCommand({
  name: 'events',
  summary: 'Watch tasks and workers: live in the terminal, as lines, or by snapshots.',
  examples: [
    'lovage -A tasks.ts events',
    'lovage -A tasks.ts events --dump --json --types task-failed',
    'lovage -A tasks.ts events --camera ./camera.ts -F 10 -r 10/m',
  ],
  parser: withProgramOptions(parser),
  run: async (
    { dump: wantsDump, camera, frequency, maxrate, types, limit, loglevel, logFormat, logfile, ...options },
    context,
  ) => {
    if (options.detach && camera === undefined)
      throw new ConfigurationError('events --detach belongs to --camera: what else it does is for a terminal.');
    return asProgram({
      program: 'events',
      options,
      loadApp: () => context.loadApp(),
      expand: (name) => nodeFormat(name, nodeName()),
      warn: (text) => context.out.warn(text),
      files: ({ settings }) => [
        { what: 'log file', name: logfile ?? settings.eventsLogfile, from: '--logfile, setting eventsLogfile' },
      ],
      run: async (app, started) => {
        const broker = await reachBroker(app, 'read');
        const file = logfile ?? app.settings.eventsLogfile ?? undefined;
        using _log = await cameraLog(file === undefined ? undefined : nodeFormat(file, nodeName()), { loglevel, logFormat });
        if (camera !== undefined) return await snapshots(app, { source: camera, frequency, maxrate, started }, context);
        if (wantsDump || context.global.json) return await dump(app, { types, limit }, context);
        return await monitor(app, broker.url, context);
      },
    });
  },
});
