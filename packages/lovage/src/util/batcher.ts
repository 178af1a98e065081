// Joins single calls of one turn of the event loop into one plural call. Used by producer, results and events.
// Nothing waits on a timer: the batch goes out in the microtask after the turn that filled it, and while one is out the next one fills.

interface Waiting<Item, Out> {
  readonly item: Item;
  readonly resolve: (out: Out) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatcherOptions {
  /** Items in one plural call at most. */
  readonly maxSize: number;
  /** Plural calls under way at most; more items wait and form larger batches. @default 2 */
  readonly maxInFlight?: number;
}

/**
 * A function for one item, made of a function for many. `many` answers in the order of its items, or throws for all of them; with
 * `answer` it may tell some of them, by their index, before it is done with the others.
 */
export function batcher<Item, Out>(
  many: (items: readonly Item[], answer: (index: number, out: Out) => void) => Promise<readonly Out[]>,
  options: BatcherOptions,
): (item: Item) => Promise<Out> {
  const maxInFlight = options.maxInFlight ?? 2;
  let waiting: Waiting<Item, Out>[] = [];
  let inFlight = 0;
  let scheduled = false;

  async function run(batch: readonly Waiting<Item, Out>[]): Promise<void> {
    inFlight++;
    try {
      const outs = await many(
        batch.map((entry) => entry.item),
        (index, out) => batch[index]?.resolve(out),
      );
      for (const [index, entry] of batch.entries()) entry.resolve(outs[index] as Out);
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      inFlight--;
      flush();
    }
  }

  function flush(): void {
    scheduled = false;
    while (waiting.length > 0 && inFlight < maxInFlight) {
      const batch = waiting.length <= options.maxSize ? waiting : waiting.slice(0, options.maxSize);
      waiting = waiting.length <= options.maxSize ? [] : waiting.slice(options.maxSize);
      void run(batch);
    }
  }

  return (item) =>
    new Promise<Out>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (scheduled) return;
      scheduled = true;
      // One hop behind the promise jobs of this turn, so that calls made by awaiting code still join.
      queueMicrotask(() => queueMicrotask(flush));
    });
}
