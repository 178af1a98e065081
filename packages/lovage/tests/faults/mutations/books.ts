// Keeps the books of one queue: what a worker was handed, and what it said of each.
import type { Broker, Delivery, Settlement, Subscription } from '../../../src/broker/index.ts';

export interface Books {
  /** Verdicts that ended a message. Each of a delivery of its own: the same one is not counted twice. */
  acked: number;
  rejected: number;
  readonly dead: Map<string, number>;
  requeued: number;
  /** Messages that are parked now, as many of each id and eta: mutants may have an id in common. */
  readonly parked: Map<string, number>;
}

export function newBooks(): Books {
  return { acked: 0, rejected: 0, dead: new Map(), requeued: 0, parked: new Map() };
}

/** Messages that have come to an end. */
export function endedIn({ acked, rejected, dead }: Books): number {
  return acked + rejected + sum(dead.values());
}

export function parkedIn({ parked }: Books): number {
  return sum(parked.values());
}

function sum(counts: Iterable<number>): number {
  return [...counts].reduce((total, count) => total + count, 0);
}

function add<Key>(counts: Map<Key, number>, key: Key, count: number): void {
  const sum = (counts.get(key) ?? 0) + count;
  if (sum > 0) counts.set(key, sum);
  else counts.delete(key);
}

function note(books: Books, settlement: Settlement): void {
  const { delivery, verdict } = settlement;
  const { id, eta } = (delivery.headers ?? {}) as Delivery['headers'];
  const key = JSON.stringify([id, eta]);
  if (verdict === 'park') {
    add(books.parked, key, 1);
    return;
  }
  // What was parked has come again.
  if (books.parked.has(key)) add(books.parked, key, -1);
  if (verdict === 'ack') books.acked++;
  else if (verdict === 'reject') books.rejected++;
  else if (verdict === 'requeue') books.requeued++;
  else if (verdict === 'deadLetter') add(books.dead, settlement.reason, 1);
}

/** The broker with its subscriptions watched. */
export function watched(broker: Broker, books: Books): Broker {
  const noted = new WeakSet<Delivery>();
  const keepBooks = (subscription: Subscription): Subscription =>
    new Proxy(subscription, {
      get: (target, key) => {
        if (key === 'settle') {
          return async (...given: Parameters<Subscription['settle']>): Promise<readonly Delivery[]> => {
            const lost = new Set(await target.settle(...given));
            for (const settlement of given[0]) {
              if (lost.has(settlement.delivery) || noted.has(settlement.delivery)) continue;
              noted.add(settlement.delivery);
              note(books, settlement);
            }
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
