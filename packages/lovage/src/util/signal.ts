// A typed signal: something happened, and whoever cares is told. Observers run in the order they connected and can neither change
// nor break what they observe: their errors are logged, their time is bounded, and the payload is frozen.
import { orAborted } from './deadline.ts';
import { logger } from './logger.ts';

/** Called with what happened. A promise is waited for only where the order matters (see `tell`). */
export type Observer<Payload> = (payload: Payload) => void | Promise<void>;

export interface ConnectOptions {
  /** Only what this sender sends (a task's name for task signals). */
  readonly sender?: unknown;
  /** Replaces the observer that connected under the same uid and sender. */
  readonly uid?: string;
}

interface Connection<Payload> {
  readonly observer: Observer<Payload>;
  readonly sender: unknown;
  readonly uid: string | undefined;
}

/** Seconds that `tell` waits for one observer. */
const PATIENCE = 10;

/** One kind of event of one app. */
export class Signal<Payload extends object> {
  readonly name: string;
  #connections: readonly Connection<Payload>[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Is anybody connected? Senders skip building the payload when not. */
  get observed(): boolean {
    return this.#connections.length > 0;
  }

  /** Connects an observer; the same observer with the same sender connects once. Returns the function that disconnects it. */
  connect(observer: Observer<Payload>, options: ConnectOptions = {}): () => void {
    const connection: Connection<Payload> = { observer, sender: options.sender, uid: options.uid };
    const same = (other: Connection<Payload>): boolean =>
      other.sender === connection.sender &&
      (other.observer === observer || (connection.uid !== undefined && other.uid === connection.uid));
    this.#connections = [...this.#connections.filter((other) => !same(other)), connection];
    return () => {
      this.#connections = this.#connections.filter((other) => other !== connection);
    };
  }

  /** Disconnects an observer from one sender. Says whether it was connected. */
  disconnect(observer: Observer<Payload>, options: ConnectOptions = {}): boolean {
    const before = this.#connections.length;
    this.#connections = this.#connections.filter((other) => other.observer !== observer || other.sender !== options.sender);
    return this.#connections.length < before;
  }

  /** Tells everybody at once and goes on; promises are watched for errors only. */
  emit(payload: () => Payload, sender?: unknown): void {
    if (!this.observed) return;
    const frozen = Object.freeze(payload());
    for (const connection of this.#wanting(sender)) this.#call(connection, frozen)?.catch(() => undefined);
  }

  /** Tells one after the other and waits for each, at most ten seconds. Never rejects. */
  async tell(payload: () => Payload, sender?: unknown): Promise<void> {
    if (!this.observed) return;
    const frozen = Object.freeze(payload());
    for (const connection of this.#wanting(sender)) await this.#call(connection, frozen);
  }

  #wanting(sender: unknown): readonly Connection<Payload>[] {
    return this.#connections.filter((connection) => connection.sender === undefined || connection.sender === sender);
  }

  /** The promise of an asynchronous observer, made safe. */
  #call(connection: Connection<Payload>, payload: Payload): Promise<void> | undefined {
    try {
      const answer = connection.observer(payload);
      if (!(answer instanceof Promise)) return undefined;
      const limit = AbortSignal.timeout(PATIENCE * 1000);
      return orAborted(answer, limit).catch((error: unknown) => this.#complain(connection, error));
    } catch (error) {
      this.#complain(connection, error);
      return undefined;
    }
  }

  #complain(connection: Connection<Payload>, error: unknown): void {
    logger('signals').error(
      'An observer of the signal {signal} failed: {observer} threw {error}. The work that it observed goes on.',
      {
        signal: this.name,
        observer: connection.observer.name || 'an anonymous function',
        error,
      },
    );
  }
}
