// `lovage schedule`: the periodic tasks of an app, looked at and changed while beat runs.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, float, integer, string } from '@optique/core/valueparser';
import { type BeatEntry, clocked, crontab, every, type SolarEvent, solar } from '../../app/index.ts';
import { openSchedule, type ScheduledEntry, type ScheduleHandle } from '../../beat/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { isArray, json } from '../json-options.ts';
import { isRecord, seconds, time } from '../options.ts';
import { type Output, printable, table } from '../output.ts';

const ACTIONS = ['list', 'add', 'pause', 'resume', 'run', 'next', 'remove'] as const;
type Action = (typeof ACTIONS)[number];
const MAX_CELL = 60;

const parser = object({
  action: withDefault(argument(choice(ACTIONS, { metavar: 'ACTION' }), { description: message`What to do.` }), 'list'),
  names: multiple(argument(string({ metavar: 'NAME' }), { description: message`Entries of the schedule.` })),
  task: optional(option('--task', string({ metavar: 'TASK' }), { description: message`add: name of the task.` })),
  every: optional(option('--every', seconds(), { description: message`add: again and again, so many seconds apart.` })),
  relative: option('--relative', { description: message`add: with --every, on whole minutes, hours or days.` }),
  crontab: optional(
    option('--crontab', string({ metavar: 'FIELDS' }), {
      description: message`add: minute, hour, day of month, month, day of week, such as '0 4 * * mon-fri'.`,
    }),
  ),
  timezone: optional(
    option('--timezone', string({ metavar: 'ZONE' }), { description: message`add: zone of --crontab, such as Europe/Berlin.` }),
  ),
  at: optional(option('--at', time(), { description: message`add: once, at this time.` })),
  solar: optional(
    option('--solar', string({ metavar: 'EVENT' }), {
      description: message`add: when the sun does this, such as sunset, at --latitude and --longitude.`,
    }),
  ),
  latitude: optional(option('--latitude', float({ metavar: 'DEGREES' }), { description: message`add: north is positive.` })),
  longitude: optional(option('--longitude', float({ metavar: 'DEGREES' }), { description: message`add: east is positive.` })),
  args: optional(option('--args', json('JSON', isArray, 'a JSON array'), { description: message`add: arguments of the task.` })),
  kwargs: optional(
    option('--kwargs', json('JSON', isRecord, 'a JSON object'), { description: message`add: keyword arguments of the task.` }),
  ),
  options: optional(
    option('--options', json('JSON', isRecord, 'a JSON object'), {
      description: message`add: options of the call, such as '{"queue": "mail", "expires": 60}'.`,
    }),
  ),
  startAt: optional(option('--start', time(), { description: message`add: no run before this time.` })),
  endAt: optional(option('--end', time(), { description: message`add: no run after this time.` })),
  maxRuns: optional(
    option('--max-runs', integer({ metavar: 'NUMBER', min: 1 }), { description: message`add: so many runs in all.` }),
  ),
  jitter: optional(option('--jitter', seconds(), { description: message`add: put each run off by up to so many seconds.` })),
  misfirePolicy: optional(
    option('--misfire', choice(['skip', 'latest', 'all'], { metavar: 'POLICY' }), {
      description: message`add: which missed runs are made up for.`,
    }),
  ),
  misfireMaxAge: optional(option('--max-age', seconds(), { description: message`add: drop a run that is later than this.` })),
  count: withDefault(
    option('-n', '--count', integer({ metavar: 'NUMBER', min: 1, max: 1000 }), { description: message`next: how many times.` }),
    5,
    { message: message`5` },
  ),
  schedule: optional(
    option('-s', '--schedule', '--schedule-filename', string({ metavar: 'FILE' }), {
      description: message`The file of beat's option -s.`,
    }),
  ),
  scheduler: optional(
    option('-S', '--scheduler', string({ metavar: 'STORE' }), { description: message`The store of beat's option -S.` }),
  ),
});

interface Given {
  readonly task: string | undefined;
  readonly every: number | undefined;
  readonly relative: boolean;
  readonly crontab: string | undefined;
  readonly timezone: string | undefined;
  readonly at: string | undefined;
  readonly solar: string | undefined;
  readonly latitude: number | undefined;
  readonly longitude: number | undefined;
  readonly args: readonly unknown[] | undefined;
  readonly kwargs: Readonly<Record<string, unknown>> | undefined;
  readonly options: Readonly<Record<string, unknown>> | undefined;
  readonly startAt: string | undefined;
  readonly endAt: string | undefined;
  readonly maxRuns: number | undefined;
  readonly jitter: number | undefined;
  readonly misfirePolicy: BeatEntry['misfirePolicy'] | undefined;
  readonly misfireMaxAge: number | undefined;
}

function scheduleOf(given: Given): BeatEntry['schedule'] {
  const { latitude, longitude } = given;
  const kinds = [given.every, given.crontab, given.at, given.solar].filter((value) => value !== undefined);
  if (kinds.length !== 1)
    throw new ConfigurationError('schedule add needs one of --every, --crontab, --at and --solar: when shall it run?');
  if (given.every !== undefined) return every(given.every, { relative: given.relative });
  if (given.at !== undefined) return clocked(given.at);
  if (given.crontab !== undefined)
    return crontab(given.crontab, given.timezone === undefined ? {} : { timezone: given.timezone });
  if (latitude === undefined || longitude === undefined)
    throw new ConfigurationError('--solar needs --latitude and --longitude: where?');
  return solar(given.solar as SolarEvent, latitude, longitude);
}

function entryOf(given: Given): BeatEntry {
  const { task, args, kwargs, options, startAt, endAt, maxRuns, jitter, misfirePolicy, misfireMaxAge } = given;
  if (task === undefined) throw new ConfigurationError('schedule add needs --task: the name of the task to send.');
  const rest = { args, kwargs, options, startAt, endAt, maxRuns, jitter, misfirePolicy, misfireMaxAge };
  const known = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...known, task, schedule: scheduleOf(given) };
}

const iso = (date: Date | undefined): string | null => date?.toISOString() ?? null;

function facts({ lastRunAt, nextRunAt, error, ...entry }: ScheduledEntry): Record<string, unknown> {
  return { ...entry, lastRunAt: iso(lastRunAt), nextRunAt: iso(nextRunAt), error: error ?? null };
}

function tableOf(entries: readonly ScheduledEntry[]): readonly string[] {
  if (entries.length === 0) return ['No periodic tasks.'];
  const rows = entries.map(({ name, task, schedule, enabled, lastRunAt, nextRunAt, totalRuns, error, source }) => [
    ...[name, task, error === undefined ? schedule : `error: ${(error.split('\n')[0] ?? '').slice(0, MAX_CELL)}`],
    ...[enabled ? 'on' : error === undefined ? 'paused' : '-', iso(lastRunAt) ?? '-', iso(nextRunAt) ?? '-', totalRuns, source],
  ]);
  return table(['name', 'task', 'schedule', 'state', 'last run', 'next run', 'runs', 'from'], rows);
}

/** The one name that an action is about. */
function one(action: Action, names: readonly string[]): string {
  const [name, ...more] = names;
  if (name !== undefined && more.length === 0) return name;
  throw new ConfigurationError(`schedule ${action} takes the name of one entry: lovage schedule ${action} NAME.`);
}

async function list(schedule: ScheduleHandle, names: readonly string[], out: Output): Promise<number> {
  const entries = (await schedule.list()).filter(({ name }) => names.length === 0 || names.includes(name));
  out.answer(entries.map(facts), tableOf(entries));
  return EXIT.ok;
}

async function show(schedule: ScheduleHandle, name: string, count: number, out: Output): Promise<number> {
  const times = (await schedule.next(name, count)).map((date) => date.toISOString());
  out.answer({ name, next: times }, times.length === 0 ? ['No more runs.'] : times);
  return EXIT.ok;
}

const DONE = { add: 'added', pause: 'paused', resume: 'resumed', remove: 'removed' } as const;

export const schedule: Command = defineCommand({
  name: 'schedule',
  summary: 'Periodic tasks: list, add, pause, resume, run, remove them, see when they are next.',
  examples: [
    'lovage -A tasks.ts schedule',
    `lovage -A tasks.ts schedule add digest --task mail.digest --crontab '0 7 * * mon-fri' --timezone Europe/Berlin`,
    `lovage -A tasks.ts schedule add ping --task net.ping --every 30 --args '["example.org"]'`,
    'lovage -A tasks.ts schedule pause digest',
    'lovage -A tasks.ts schedule resume digest',
    'lovage -A tasks.ts schedule run digest',
    'lovage -A tasks.ts schedule next digest -n 3 --json',
    'lovage -A tasks.ts schedule remove ping',
  ],
  parser,
  run: async ({ action, names, count, schedule: filename, scheduler, ...given }, { loadApp, out }) => {
    const app = await loadApp();
    await app.importTasks();
    await using schedule = await openSchedule(app, { filename, store: scheduler });
    if (action === 'list') return await list(schedule, names, out);
    const name = one(action, names);
    if (action === 'next') return await show(schedule, name, count, out);
    if (action === 'run') {
      const { id } = await schedule.run(name);
      out.answer({ name, id }, [id]);
      return EXIT.ok;
    }
    if (action === 'add') {
      await schedule.add(name, entryOf(given));
      if ((await schedule.next(name, 1)).length === 0) out.warn(`${printable(name)} has no run ahead: its time has passed.`);
    } else await schedule[action](name);
    out.answer({ name, done: DONE[action] }, [`${name} ${DONE[action]}.`]);
    return EXIT.ok;
  },
});
