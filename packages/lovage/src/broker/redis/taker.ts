// A holder that holds nothing: messages that need no ack (answers of workers) are gone from the server once they are taken. So there is no
// lease to open, to renew and to give back, and one connection does: on it lie a BRPOP, which blocks while the lists are empty, and behind it
// a take of what else has come by then. Opened by store.ts.
import { BrokerConnectionError, isReplyError, type RedisLine } from '../../util/index.ts';
import type { Delivery } from '../seam.ts';
import type { Holder, TurnResult } from '../store.ts';
import { brokerError, isAway, type RedisContext } from './context.ts';
import { DeliveryReader } from './delivery.ts';
import type { HeldPlace } from './held.ts';
import { createListener, type Listener } from './listener.ts';

/** Whatever it is asked for is found behind the wait. */
const NOTHING: TurnResult = { taken: [], lost: [], drained: true };
const NO_PLACE: HeldPlace = { turn: 0, place: 0, list: '' };
/** Seconds of one block at most: a line that is silent for longer is a dead one. */
const MAX_BLOCK = 1;
/** Most messages that come with one answer. */
const MAX_TAKE = 100;

export interface TakerParts {
  readonly context: RedisContext;
  readonly node: string;
  readonly generation: number;
  /** The patterns to which a fanout queue listens. */
  readonly patterns: (queue: string) => readonly string[];
}

/** Connects without being waited for: what comes meanwhile stays in its list. */
export function openTaker(parts: TakerParts): Holder {
  return new Taker(parts);
}

class Taker implements Holder {
  readonly closed: Promise<Error | undefined>;
  readonly #parts: TakerParts;
  readonly #close: (error: Error | undefined) => void;
  readonly #line: RedisLine;
  readonly #reader: DeliveryReader;
  #listener: Listener | undefined;
  /** The take that lies on the line, and the lists that it waits for. */
  #waiting: { readonly lists: string; readonly answer: Promise<void> } | undefined;
  /** What its answer brought, for whoever asks next. */
  readonly #brought: Delivery[] = [];
  #ended: Error | undefined;
  #disposed = false;

  constructor(parts: TakerParts) {
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#close = resolve;
    this.#reader = new DeliveryReader(parts.generation);
    this.#line = parts.context.open({ name: `lovage:take:${parts.node}`.replaceAll(/\s/g, '_') });
    this.#line.ready().catch(() => undefined);
  }

  turn(): Promise<TurnResult> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return Promise.resolve(this.#brought.length === 0 ? NOTHING : { taken: this.#brought.splice(0), lost: [] });
  }

  async idle(queues: readonly string[], signal: AbortSignal, take: number): Promise<readonly Delivery[]> {
    if (this.#brought.length > 0 || this.#ended !== undefined || signal.aborted) return this.#brought.splice(0);
    const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
    const end = (): void => stop();
    signal.addEventListener('abort', end, { once: true });
    try {
      await Promise.race([this.#take(queues, Math.min(MAX_TAKE, take)), stopped]);
    } finally {
      signal.removeEventListener('abort', end);
    }
    return this.#brought.splice(0);
  }

  /** Resolves when something came into the lists of these queues, or nothing for a while. */
  async #take(queues: readonly string[], most: number): Promise<void> {
    const { keys } = this.#parts.context;
    // In the order of their steps: the first list that has something is served.
    const places = keys.steps.flatMap((_, step) => queues.map((queue) => ({ list: keys.lists(queue)[step] ?? '', queue })));
    const lists = places.map(({ list }) => list).join('\0');
    // One that waits for other lists ends soon, by itself.
    if (this.#waiting !== undefined && this.#waiting.lists !== lists) await this.#waiting.answer;
    this.#waiting ??= { lists, answer: this.#answer(new Map(places.map(({ list, queue }) => [list, queue])), most) };
    return this.#waiting.answer;
  }

  async #answer(queueOf: ReadonlyMap<string, string>, most: number): Promise<void> {
    const { transport, connectTimeout } = this.#parts.context;
    const lists = [...queueOf.keys()];
    const [first = ''] = lists;
    try {
      if (!this.#line.isConnected) await this.#line.ready(AbortSignal.timeout(connectTimeout * 1000));
      const [one, more] = await this.#line.together(() =>
        Promise.all([
          this.#line.call('BRPOP', [...lists, Math.min(MAX_BLOCK, transport.pollingInterval)]),
          this.#line.call('RPOP', [first, most]),
        ]),
      );
      const found = (more ?? []) as readonly string[];
      if (one !== null) this.#read(one as readonly [list: string, raw: string], queueOf);
      for (const raw of found) this.#read([first, raw], queueOf);
    } catch (error) {
      this.#end(this.#lost(error));
    } finally {
      this.#waiting = undefined;
    }
  }

  #read([list, raw]: readonly [list: string, raw: string], queueOf: ReadonlyMap<string, string>): void {
    this.#brought.push(this.#reader.read({ raw, isPlain: false }, NO_PLACE, queueOf.get(list) ?? ''));
  }

  #lost(error: unknown): Error {
    const { target } = this.#parts.context;
    if (isReplyError(error) && !isAway(error)) return brokerError(error, 'Taking messages failed') as Error;
    return error instanceof BrokerConnectionError
      ? error
      : new BrokerConnectionError(`The line to ${target.url} was lost.`, { cause: error });
  }

  async fanout(queues: readonly string[], receive: (deliveries: readonly Delivery[]) => void): Promise<AsyncDisposable> {
    const { context, node, patterns } = this.#parts;
    this.#listener ??= createListener(
      context,
      node,
      () => undefined,
      () => {
        if (this.#listener?.line.isConnected === false)
          this.#end(new BrokerConnectionError(`The line to ${context.target.url} on which broadcasts come was lost.`));
      },
    );
    const listener = this.#listener;
    const heard = queues.flatMap((queue) => patterns(queue).map((pattern) => ({ queue, pattern })));
    for (const { queue, pattern } of heard) {
      await listener.subscribe(pattern, (raw) => receive([this.#reader.read({ raw, isPlain: false }, NO_PLACE, queue)]));
    }
    return {
      [Symbol.asyncDispose]: async () => {
        for (const { pattern } of heard) await listener.unsubscribe(pattern);
      },
    };
  }

  #end(error: Error): void {
    if (this.#ended !== undefined || this.#disposed) return;
    this.#ended = error;
    this.#close(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#line[Symbol.asyncDispose]();
    await this.#listener?.[Symbol.asyncDispose]();
    this.#close(undefined);
  }
}
