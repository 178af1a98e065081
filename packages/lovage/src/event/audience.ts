// Most events are heard by nobody. Where the broker tells, the first event of an array that nobody heard last time asks on behalf of all
// behind it: only when somebody hears it now are the others written at all.
import type { Broker } from '../broker/index.ts';
import type { Waiting } from './backlog.ts';

const NONE: readonly Waiting[] = [];

export class Audience {
  /** Keys of arrays that nobody heard last time. */
  readonly #unheard = new Set<string>();

  /** Parts a batch: what is published, and what waits for the answer whether anybody hears it. */
  ask(batch: readonly Waiting[]): { readonly asked: readonly Waiting[]; readonly silent: readonly Waiting[] } {
    if (this.#unheard.size === 0) return { asked: batch, silent: NONE };
    const asked: Waiting[] = [];
    const silent: Waiting[] = [];
    const asking = new Set<string>();
    for (const waiting of batch) {
      const { routingKey, arrayKey } = waiting;
      const waits = routingKey === undefined && this.#unheard.has(arrayKey) && asking.has(arrayKey);
      (waits ? silent : asked).push(waiting);
      // Who leaves by itself, under a key of its own, asks for no array.
      if (routingKey === undefined) asking.add(arrayKey);
    }
    return { asked, silent };
  }

  /** Those of them that somebody would hear. */
  heard(silent: readonly Waiting[]): readonly Waiting[] {
    return silent.filter(({ arrayKey }) => !this.#unheard.has(arrayKey));
  }

  /** These were published: remembers whether anybody heard them. */
  listen(broker: Broker, exchange: string, batch: readonly Waiting[]): void {
    if (broker.audience === undefined) return;
    for (const key of new Set(batch.filter(({ routingKey }) => routingKey === undefined).map(({ arrayKey }) => arrayKey))) {
      if (broker.audience(exchange, key) === 0) this.#unheard.add(key);
      else this.#unheard.delete(key);
    }
  }
}
