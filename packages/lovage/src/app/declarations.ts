// Which queues have been declared, for each broker: a publisher declares a queue, its exchange and its binding once, before its first message.
import type { Broker } from '../broker/index.ts';
import { orAborted } from '../util/index.ts';
import type { Queues } from './queues.ts';

/** What has been declared where. */
export interface Declarations {
  /** Declares what is new. Answers with the queues that could not be declared, and why. */
  ensure(broker: Broker, queues: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlyMap<string, unknown>>;
  /** Declare it again when it is next needed. */
  forget(queue: string): void;
  /** Declare everything again: the settings changed. */
  clear(): void;
}

/** Nothing declared yet. `queues` is asked at use: the settings may change. */
export function createDeclarations(queues: () => Queues): Declarations {
  let known = new WeakMap<Broker, Map<string, Promise<void>>>();
  let all: Map<string, Promise<void>>[] = [];
  const of = (broker: Broker): Map<string, Promise<void>> => {
    const found = known.get(broker);
    if (found !== undefined) return found;
    const made = new Map<string, Promise<void>>();
    known.set(broker, made);
    all.push(made);
    return made;
  };
  const declare = (broker: Broker, declared: Map<string, Promise<void>>, queue: string): Promise<void> => {
    const under = declared.get(queue);
    if (under !== undefined) return under;
    const made = broker.declare(queues().topology([queue]));
    declared.set(queue, made);
    made.catch(() => {
      if (declared.get(queue) === made) declared.delete(queue);
    });
    return made;
  };
  return {
    ensure: async (broker, wanted, signal) => {
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
