// In which order the takes of one holder look through its queues. The same few orders come again and again.
import { type Frames, frames } from '../../util/index.ts';
import type { RedisContext } from './context.ts';

/** Orders of queues remembered. */
const MAX_LANES = 64;

/** One order, and all that follows from it. */
export interface Lanes {
  readonly queues: readonly string[];
  readonly lists: readonly string[];
  /** The queues in alphabetical order. */
  readonly names: string;
  /** The keys of a turn, as they are sent. */
  readonly keys: Frames;
}

/** The queue whose list is the one at this place of `lists`, counted from 1. */
export function queueAt({ queues }: Lanes, list: number): string {
  return queues[(list - 1) % queues.length] ?? '';
}

export class LaneOrders {
  readonly #context: RedisContext;
  readonly #incarnation: string;
  readonly #known = new Map<string, Lanes>();

  constructor(context: RedisContext, incarnation: string) {
    this.#context = context;
    this.#incarnation = incarnation;
  }

  /** The order of the next take; `first` counts the batches, so that no queue is always first within its step. */
  of(given: readonly string[], first: number): Lanes {
    const queues = this.#rotated(given, first);
    const order = queues.join('\0');
    let lanes = this.#known.get(order);
    if (lanes === undefined) {
      if (this.#known.size >= MAX_LANES) this.#known.clear();
      lanes = this.#make(queues);
      this.#known.set(order, lanes);
    }
    return lanes;
  }

  #rotated(queues: readonly string[], first: number): readonly string[] {
    if (queues.length < 2) return queues;
    const { queueOrderStrategy } = this.#context.transport;
    if (queueOrderStrategy === 'sorted') return queues.toSorted();
    if (queueOrderStrategy === 'priority') return queues;
    const at = first % queues.length;
    return at === 0 ? queues : [...queues.slice(at), ...queues.slice(0, at)];
  }

  #make(queues: readonly string[]): Lanes {
    const { keys } = this.#context;
    const perQueue = queues.map(keys.lists);
    // Step by step, each step's lists of all queues: a more urgent step of any queue comes before the next step of all.
    const lists = keys.steps.flatMap((_, step) => perQueue.map((each) => each[step] ?? ''));
    const all = [keys.lease(this.#incarnation), keys.held(this.#incarnation), ...lists];
    return { queues, lists, names: queues.toSorted().join('\0'), keys: frames([all.length, ...all]) };
  }
}
