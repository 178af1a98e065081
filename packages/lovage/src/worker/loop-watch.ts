// Says afterwards for how long the worker's event loop stood still, and which tasks ran then; the broker's own thread says it meanwhile
// (util/loop-view.ts). A loop that stands still answers no probe, and whoever kills the worker for it should read why. The step `loop` starts it.
import type { Entry, TaskWatch } from '../consumer/index.ts';
import { createLoopView, logger } from '../util/index.ts';

/** Milliseconds between two turns that are looked at. */
const TICK_MS = 250;
/** So many times the threshold, and the broker's thread speaks while the loop stands still. */
const SPEAK = 10;
/** Seconds after a warning in which only a block twice as long is told. */
const QUIET = 60;
/** Seconds that a task has run to be remembered until the next look. */
const LONG = 0.1;
/** Tasks remembered until then; of more, the half that ran longest. */
const MAX_ENDED = 100;
/** Tasks in one warning. */
const MAX_NAMED = 5;

const log = logger('worker');

export interface LoopWatchOptions {
  /** Seconds that the loop may stand still. */
  readonly threshold: number;
  /** What runs on this event loop now; undefined when tasks run elsewhere. */
  readonly running: (() => Iterable<Entry>) | undefined;
  /** A thread that reads this can say meanwhile what goes on. */
  readonly show: (view: SharedArrayBuffer) => void;
}

export interface LoopWatch extends Disposable {
  /** For the consumer. Absent when tasks run elsewhere. */
  readonly tasks: TaskWatch | undefined;
}

/** A task that ran while the loop stood still. */
export interface Began {
  readonly name: string;
  readonly id: string;
  /** Epoch seconds. */
  readonly at: number;
}

/**
 * The likeliest cause of a block first. Of tasks that began while the loop did not turn (from the last turn before, to the first one after;
 * epoch seconds), the longer no other began, the longer this one computed. Of the others nothing is known: the youngest first.
 */
export function likeliest(tasks: Iterable<Began>, from: number, to: number): readonly Began[] {
  const byAge = [...tasks].sort((one, other) => other.at - one.at);
  const alone = new Map(byAge.map((task, index) => [task, task.at < from ? 0 : (byAge[index - 1]?.at ?? to) - task.at]));
  return byAge.sort((one, other) => (alone.get(other) ?? 0) - (alone.get(one) ?? 0));
}

function began({ request, startedAt }: Entry): Began {
  return { name: request.task, id: request.id, at: startedAt ?? 0 };
}

/** Remembers what ran for long and ended since the last look. */
class Ended {
  #tasks: { readonly task: Entry; readonly runtime: number }[] = [];

  add(task: Entry, runtime: number): void {
    if (this.#tasks.push({ task, runtime }) <= MAX_ENDED) return;
    this.#tasks.sort((one, other) => other.runtime - one.runtime);
    this.#tasks.length = MAX_ENDED / 2;
  }

  take(): readonly Entry[] {
    if (this.#tasks.length === 0) return [];
    return this.#tasks.splice(0).map(({ task }) => task);
  }
}

/** Blocks that were not told. */
export interface Untold {
  readonly count: number;
  /** Together. */
  readonly seconds: number;
}

/**
 * Which blocks are told: a careless worker must not fill its log. Asked for each, in milliseconds of the monotonic clock and seconds;
 * answers with those that were not told since the last warning, or undefined if this one is not to be told either.
 */
export function tellRarely(): (now: number, seconds: number) => Untold | undefined {
  let until = 0;
  let longest = 0;
  let untold: Untold = { count: 0, seconds: 0 };
  return (now, seconds) => {
    if (now < until && seconds < 2 * longest) {
      untold = { count: untold.count + 1, seconds: untold.seconds + seconds };
      return undefined;
    }
    const before = untold;
    untold = { count: 0, seconds: 0 };
    until = now + QUIET * 1000;
    longest = seconds;
    return before;
  };
}

function named(tasks: readonly Began[]): string {
  const shown = tasks.slice(0, MAX_NAMED).map(({ name, id }) => `${name}[${id}]`);
  const more = tasks.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Watches the loop until it is disposed. */
export function watchLoop({ threshold, running, show }: LoopWatchOptions): LoopWatch {
  const view = createLoopView(SPEAK * threshold);
  const rarely = tellRarely();
  const ended = new Ended();
  let last: Entry | undefined;
  let turned = performance.now();
  let turnedAt = Date.now() / 1000;
  let cpu = process.cpuUsage();
  show(view.memory);

  function tell(seconds: number, computed: number, over: readonly Entry[]): void {
    const untold = rarely(turned, seconds);
    if (untold === undefined) return;
    const others =
      untold.count === 0 ? '' : ` ${untold.count} more of ${untold.seconds.toFixed(1)} s together since the last warning.`;
    const told = { seconds: seconds.toFixed(1), computed: computed.toFixed(1), others };
    if (running === undefined) {
      log.warning(
        'The event loop of the worker stood still for {seconds} s (processor time {computed} s); no task runs on it.{others}',
        told,
      );
      return;
    }
    const tasks = likeliest([...over, ...running()].map(began), turnedAt, Date.now() / 1000);
    log.warning(
      'The event loop stood still for {seconds} s (processor time {computed} s): no other task ran, and no probe was answered. {tasks}{others}',
      {
        ...told,
        tasks: tasks.length === 0 ? 'No task ran then.' : `What ran then, the likeliest cause first: ${named(tasks)}.`,
      },
    );
  }

  function turn(): void {
    view.turn();
    const now = performance.now();
    const used = process.cpuUsage();
    const over = ended.take();
    // At least as long; the loop may have turned a moment after the last look.
    const seconds = (now - turned - TICK_MS) / 1000;
    const computed = (used.user + used.system - cpu.user - cpu.system) / 1e6;
    if (seconds >= threshold) tell(seconds, computed, over);
    cpu = used;
    turned = now;
    turnedAt = Date.now() / 1000;
  }

  const timer = setInterval(turn, TICK_MS).unref();
  const { pid } = process;
  return {
    tasks: running && {
      begins: (task) => {
        // What is suspected of killing its process runs in another.
        if (task.pid !== pid) return;
        last = task;
        view.begins(task.request.task, task.request.id);
      },
      ended: (task, runtime) => {
        if (task === last) {
          last = undefined;
          view.ended();
        }
        if (runtime >= LONG && task.pid === pid) ended.add(task, runtime);
      },
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      view[Symbol.dispose]();
    },
  };
}
