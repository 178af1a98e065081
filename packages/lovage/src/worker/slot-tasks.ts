// Slots load the app once more, and may come to know other tasks than the worker: a module that registers some only where a condition holds,
// tasks that were added after the start, a slotEntry of an older build. Each slot says at its start which it knows; a difference is told
// once, before the first such message is lost to the dead letters.
import { logger } from '../util/index.ts';

const log = logger('pool');
const MAX_NAMES = 10;

const CURE =
  'Register the same tasks wherever the module is loaded (app.isSlot and LOVAGE_SLOT say when it is in a slot), in the modules that -A, include or slotEntry name, and before the worker starts.';

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

/** Takes what each slot says at its start; `known` are the tasks of the worker itself. */
export function compareTasks(known: () => readonly string[]): (slot: string, tasks: readonly string[]) => void {
  const told = new Set<string>();
  const once = (kind: string, names: readonly string[], tell: () => void): void => {
    const key = `${kind} ${names.toSorted().join(' ')}`;
    if (names.length === 0 || told.has(key)) return;
    told.add(key);
    tell();
  };
  return (slot, tasks) => {
    const own = known();
    const there = new Set(tasks);
    const here = new Set(own);
    const missing = own.filter((name) => !there.has(name));
    const more = tasks.filter((name) => !here.has(name));
    once('missing', missing, () =>
      log.error('{slot} does not know tasks that this worker has: {tasks}. Their messages go to the dead letters. {cure}', {
        slot,
        tasks: list(missing),
        cure: CURE,
      }),
    );
    once('more', more, () =>
      log.warning('{slot} knows tasks that this worker does not have: {tasks}. Their messages never get there. {cure}', {
        slot,
        tasks: list(more),
        cure: CURE,
      }),
    );
  };
}
