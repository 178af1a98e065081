// What `lovage queues` does with queues beside listing them: pause and resume, look inside, cancel, run now, reschedule.
import type { Lovage, PeekOptions, WaitingTask } from '../../app/index.ts';
import { ConfigurationError, redactText } from '../../util/index.ts';
import { EXIT } from '../define.ts';
import { type Output, printable, table } from '../output.ts';
import { reachBroker } from './reach.ts';

const MAX_CELL = 60;

/** Marks queues, or takes the mark away. */
export async function setPaused(app: Lovage, names: readonly string[], paused: boolean, out: Output): Promise<number> {
  const word = paused ? 'pause' : 'resume';
  if (names.length === 0) throw new ConfigurationError(`queues ${word}: which queues? Name them: queues ${word} NAME.`);
  const broker = await reachBroker(app, 'write');
  // By the app, which tells the workers: by themselves they look every ten seconds.
  for (const name of names) await app.queue(name)[word]();
  const counts = await Promise.all(names.map((name) => broker.count(name)));
  for (const [index, name] of names.entries()) {
    if (counts[index] === undefined && paused)
      out.warn(`There is no queue '${printable(name)}' yet; it will be paused when there is.`);
  }
  const said = paused ? 'is paused: workers take nothing more from it' : 'is resumed';
  out.answer(
    names.map((queue) => ({ queue, paused })),
    names.map((name) => `Queue '${printable(name)}' ${said}.`),
  );
  return EXIT.ok;
}

/** A waiting task for programs. */
function row(queue: string, { id, task, args, kwargs, state, eta, priority }: WaitingTask): Record<string, unknown> {
  return {
    queue,
    id: id ?? null,
    task: task ?? null,
    args: redactText(args),
    kwargs: redactText(kwargs),
    state,
    eta: eta?.toISOString() ?? null,
    priority: priority ?? null,
  };
}

const cut = (text: string): string => (text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text);

function tableOf(found: readonly (readonly [string, WaitingTask])[]): readonly string[] {
  const rows = found.map(([queue, { id, task, args, kwargs, state, eta }]) => {
    const given = redactText(kwargs === '' || kwargs === '{}' ? args : `${args} ${kwargs}`);
    return [queue, state, eta?.toISOString() ?? '-', id ?? '-', task ?? '-', cut(given)];
  });
  return table(['queue', 'state', 'eta', 'id', 'task', 'arguments'], rows);
}

/** Lists what waits. */
export async function peek(app: Lovage, names: readonly string[], options: PeekOptions, out: Output): Promise<number> {
  await reachBroker(app, 'read');
  const chosen = names.length > 0 ? names : app.queueNames();
  const found = await Promise.all(
    chosen.map(async (name) => (await app.queue(name).peek(options)).map((task) => [name, task] as const)),
  );
  const all = found.flat();
  out.answer(
    all.map(([queue, task]) => row(queue, task)),
    all.length === 0 ? ['Nothing waits.'] : tableOf(all),
  );
  return EXIT.ok;
}

/** A new time for a task. */
export type When = { readonly countdown: number } | { readonly eta: string };

/** The time of `reschedule`; throws ConfigurationError when it is given to something else, or not given. */
export function whenOf(action: string, countdown: number | undefined, eta: string | undefined): When | undefined {
  const given = countdown !== undefined || eta !== undefined;
  if (action !== 'reschedule') {
    if (given) throw new ConfigurationError(`queues ${action} takes no time; --countdown and --eta belong to queues reschedule.`);
    return undefined;
  }
  if (countdown !== undefined && eta === undefined) return { countdown };
  if (eta !== undefined && countdown === undefined) return { eta };
  throw new ConfigurationError('queues reschedule needs one time: --countdown SECONDS or --eta TIME.');
}

interface Change {
  readonly action: 'cancel' | 'run' | 'reschedule';
  /** The queue, then ids. */
  readonly names: readonly string[];
  readonly when: When | undefined;
}

const DONE = { cancel: 'is cancelled', run: 'is ready now', reschedule: 'has another time' } as const;

/** Changes tasks that wait. Exits with 1 when one of them was not there. */
export async function change(app: Lovage, { action, names, when }: Change, out: Output): Promise<number> {
  const [name, ...ids] = names;
  if (name === undefined || ids.length === 0) {
    throw new ConfigurationError(`queues ${action} takes a queue and then ids of tasks: queues ${action} QUEUE ID.`);
  }
  await reachBroker(app, 'write');
  const queue = app.queue(name);
  const changed = await (action === 'cancel'
    ? queue.cancel(ids)
    : action === 'run' || when === undefined
      ? queue.runNow(ids)
      : queue.reschedule(ids, when));
  const found = new Set(changed.map(({ id }) => id));
  for (const id of ids) {
    if (!found.has(id)) out.warn(`No task ${printable(id)} waits in '${printable(name)}': it runs, has run, or is elsewhere.`);
  }
  out.answer(
    changed.map((task) => row(name, task)),
    changed.map(({ id, task, eta }) => {
      return `${printable(`${task ?? 'Task'}[${id ?? '-'}]`)} ${DONE[action]}${action === 'reschedule' && eta !== undefined ? `: ${eta.toISOString()}` : ''}.`;
    }),
  );
  return ids.every((id) => found.has(id)) ? EXIT.ok : EXIT.failure;
}
