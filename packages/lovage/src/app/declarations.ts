// Which queues have been declared, for each broker: a publisher declares a queue, its exchange and its binding once, before its first message.
import type { Broker, Topology } from '../broker/index.ts';
import type { Declarable } from '../task/index.ts';
import { orAborted } from '../util/index.ts';
import type { Queues } from './queues.ts';

/** What a publish needs, by a key of its own: a queue by its name, or a topology that somebody gave in full. */
export type Wanted = ReadonlyMap<string, Partial<Topology> | undefined>;

/** Under which key a declaration is remembered. */
export function keyOfDeclarable(declared: Declarable): string {
  // No name of a queue starts with this character.
  return typeof declared === 'string' ? declared : `\0${JSON.stringify(declared)}`;
}

/** What has been declared where. */
export interface Declarations {
  /** Declares what is new. Answers with the keys of what could not be declared, and why; at once, with nothing, when all are declared. */
  ensure(broker: Broker, wanted: Wanted, signal: AbortSignal): Promise<ReadonlyMap<string, unknown>> | undefined;
  /** Declare it again when it is next needed. */
  forget(key: string): void;
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
  const declare = async (
    broker: Broker,
    declared: Declared,
    key: string,
    topology: Partial<Topology> | undefined,
  ): Promise<void> => {
    const under = declared.get(key);
    if (under !== undefined) return under === DONE ? undefined : under;
    const made = broker.declare(
      topology === undefined ? queues().topology([key]) : { exchanges: [], queues: [], bindings: [], ...topology },
    );
    declared.set(key, made);
    const settle = (done: boolean): void => {
      if (declared.get(key) !== made) return;
      if (done) declared.set(key, DONE);
      else declared.delete(key);
    };
    made.then(
      () => settle(true),
      () => settle(false),
    );
    return made;
  };
  const declareAll = async (broker: Broker, wanted: Wanted, signal: AbortSignal): Promise<ReadonlyMap<string, unknown>> => {
    const declared = of(broker);
    const failed = new Map<string, unknown>();
    await Promise.all(
      [...wanted].map(([key, topology]) =>
        orAborted(declare(broker, declared, key, topology), signal).catch((error: unknown) => {
          failed.set(key, error);
        }),
      ),
    );
    return failed;
  };
  return {
    ensure: (broker, wanted, signal) => {
      const declared = of(broker);
      for (const key of wanted.keys()) if (declared.get(key) !== DONE) return declareAll(broker, wanted, signal);
      return undefined;
    },
    forget: (key) => {
      for (const declared of all) declared.delete(key);
    },
    clear: () => {
      known = new WeakMap();
      all = [];
    },
  };
}
