// Which queues have been declared, for each broker: a publisher declares a queue, its exchange and its binding once, before its first message.
import type { Broker } from '../broker/index.ts';
import { orAborted } from '../util/index.ts';
import type { Queues } from './queues.ts';

/** What has been declared where. */
export interface Declarations {
  /** Declares what is new. Answers with the queues that could not be declared, and why; at once, with nothing, when all are declared. */
  ensure(broker: Broker, queues: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlyMap<string, unknown>> | undefined;
  /** Declare it again when it is next needed. */
  forget(queue: string): void;
  /** Declare everything again: the settings changed. */
  clear(): void;
}

/** A declaration under way, or done. */
type Declared = Map<string, Promise<void> | typeof DONE>;
const DONE = 'done';

/** Nothing declared yet. `queues` is asked at use: the settings may change. */
export function createDeclarations(queues: () => Queues): Declarations {
  let known = new WeakMap<Broker, Declared>();
  let all: Declared[] = [];
  const of = (broker: Broker): Declared => {
    const found = known.get(broker);
    if (found !== undefined) return found;
    const made: Declared = new Map();
    known.set(broker, made);
    all.push(made);
    return made;
  };
  const declare = async (broker: Broker, declared: Declared, queue: string): Promise<void> => {
    const under = declared.get(queue);
    if (under !== undefined) return under === DONE ? undefined : under;
    const made = broker.declare(queues().topology([queue]));
    declared.set(queue, made);
    const settle = (done: boolean): void => {
      if (declared.get(queue) !== made) return;
      if (done) declared.set(queue, DONE);
      else declared.delete(queue);
    };
    made.then(
      () => settle(true),
      () => settle(false),
    );
    return made;
  };
  const declareAll = async (
    broker: Broker,
    wanted: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, unknown>> => {
    const declared = of(broker);
    const failed = new Map<string, unknown>();
    await Promise.all(
      [...wanted].map((queue) =>
        orAborted(declare(broker, declared, queue), signal).catch((error: unknown) => {
          failed.set(queue, error);
        }),
      ),
    );
    return failed;
  };
  return {
    ensure: (broker, wanted, signal) => {
      const declared = of(broker);
      for (const queue of wanted) if (declared.get(queue) !== DONE) return declareAll(broker, wanted, signal);
      return undefined;
    },
    forget: (queue) => {
      for (const declared of all) declared.delete(queue);
    },
    clear: () => {
      known = new WeakMap();
      all = [];
    },
  };
}
