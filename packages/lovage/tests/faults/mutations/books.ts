// Keeps the books of one queue: what a worker was handed, and what it said of each.
import type { Broker, Delivery, Settlement, Subscription } from '../../../src/broker/index.ts';

export interface Books {
  /** Distinct messages that a verdict ended. */
  readonly acked: number;
  readonly dead: ReadonlyMap<string, number>;
  readonly rejected: number;
  readonly requeued: number;
  readonly parked: number;
}

/** The broker with its subscriptions watched. */
export function watched(
  broker: Broker,
  books: { acked: number; dead: Map<string, number>; rejected: number; requeued: number; parked: number },
): Broker {
  function note({ verdict, ...rest }: Settlement): void {
    if (verdict === 'ack') books.acked++;
    else if (verdict === 'reject') books.rejected++;
    else if (verdict === 'requeue') books.requeued++;
    else if (verdict === 'park') books.parked++;
    else {
      const { reason } = rest as { readonly reason: string };
      books.dead.set(reason, (books.dead.get(reason) ?? 0) + 1);
    }
  }
  const keepBooks = (subscription: Subscription): Subscription =>
    new Proxy(subscription, {
      get: (target, key) => {
        if (key === 'settle') {
          return async (...given: Parameters<Subscription['settle']>): Promise<readonly Delivery[]> => {
            const lost = new Set(await target.settle(...given));
            for (const settlement of given[0]) if (!lost.has(settlement.delivery)) note(settlement);
            return [...lost];
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return new Proxy(broker, {
    get: (target, key) => {
      if (key === 'subscribe')
        return async (...given: Parameters<Broker['subscribe']>) => keepBooks(await target.subscribe(...given));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export function newBooks(): { acked: number; dead: Map<string, number>; rejected: number; requeued: number; parked: number } {
  return { acked: 0, dead: new Map(), rejected: 0, requeued: 0, parked: 0 };
}
