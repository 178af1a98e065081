// Brokers and backends between a consumer and the real ones, whose lines a test can cut.
import type { Broker, Delivery, Subscription } from '../../src/broker/index.ts';
import type { ResultBackend } from '../../src/result/index.ts';
import { BackendError, BrokerConnectionError } from '../../src/util/index.ts';

export interface Cuttable {
  readonly wrap: (broker: Broker) => Broker;
  /** How many subscriptions were opened. */
  readonly opened: () => number;
  /** Cuts the line: whoever iterates is told, verdicts of this life are lost. */
  cut(): void;
  /** No new line until `mend`. */
  refuse(): void;
  mend(): void;
  /** The line says nothing any more, and does not say that it is lost. */
  deafen(): void;
  /** The next subscription is never answered. */
  hang(): void;
}

/** The same subscription but for what is given. */
export function passThrough(inner: Subscription, own: Partial<Subscription>): Subscription {
  return {
    [Symbol.asyncIterator]: () => inner[Symbol.asyncIterator](),
    settle: (settlements, writes) => inner.settle(settlements, writes),
    ...(inner.starting === undefined ? {} : { starting: (delivery) => inner.starting?.(delivery) ?? Promise.resolve() }),
    ...(inner.unstarted === undefined ? {} : { unstarted: (delivery) => inner.unstarted?.(delivery) }),
    prefetch: (limit) => inner.prefetch(limit),
    add: (queue) => inner.add(queue),
    cancel: (queue) => inner.cancel(queue),
    get lastHeard() {
      return inner.lastHeard;
    },
    [Symbol.asyncDispose]: async () => {
      await inner[Symbol.asyncDispose]();
    },
    ...own,
  };
}

/** A broker whose subscriptions can be cut. */
export function cuttable(): Cuttable {
  let opened = 0;
  let refused = false;
  let deaf = false;
  let hangs = false;
  let broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  const lost = (): BrokerConnectionError => new BrokerConnectionError('The line was cut.');

  function wrap(inner: Subscription): Subscription {
    const { promise } = broken;
    let dead = false;
    promise.catch(() => {
      dead = true;
    });
    return passThrough(inner, {
      [Symbol.asyncIterator]: () => {
        const batches = inner[Symbol.asyncIterator]();
        return {
          next: async () => {
            const batch = await Promise.race([batches.next(), promise]);
            return deaf ? new Promise<IteratorResult<readonly Delivery[]>>(() => undefined) : batch;
          },
        };
      },
      settle: async (settlements, writes) => {
        if (dead) throw lost();
        return inner.settle(settlements, writes);
      },
    });
  }

  return {
    wrap: (broker) =>
      new Proxy(broker, {
        get: (target, key) => {
          if (key === 'subscribe') {
            return async (...given: Parameters<Broker['subscribe']>) => {
              if (refused) throw lost();
              opened++;
              if (hangs) {
                hangs = false;
                return new Promise<Subscription>(() => undefined);
              }
              return wrap(await target.subscribe(...given));
            };
          }
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }),
    opened: () => opened,
    cut: () => {
      const old = broken;
      broken = Promise.withResolvers<never>();
      broken.promise.catch(() => undefined);
      old.reject(lost());
    },
    refuse: () => {
      refused = true;
    },
    mend: () => {
      refused = false;
      deaf = false;
    },
    deafen: () => {
      deaf = true;
    },
    hang: () => {
      hangs = true;
    },
  };
}

/** A backend whose `put` fails as long as `failing` says how. */
export function failingPuts(): {
  readonly wrap: (backend: ResultBackend) => ResultBackend;
  failing: Error | undefined;
  readonly tries: () => number;
} {
  let tries = 0;
  const control = {
    failing: new BackendError('The store is away.') as Error | undefined,
    tries: () => tries,
    wrap: (backend: ResultBackend): ResultBackend => ({
      ...backend,
      put: async (results) => {
        tries++;
        if (control.failing !== undefined) throw control.failing;
        return backend.put(results);
      },
      [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
    }),
  };
  return control;
}
