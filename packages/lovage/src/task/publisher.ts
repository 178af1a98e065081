// The port through which task, canvas and consumer send; app/producer.ts is the one implementation.
import type { Outgoing } from '../broker/index.ts';
import type { AsyncResult, ChordOpening } from '../result/index.ts';
import type { Call, Declarable } from './options.ts';

/** A call turned into a message: id fixed, routed, encoded. */
export interface PreparedCall {
  readonly id: string;
  readonly message: Outgoing;
  /** Queue to declare before the first publish, when the destination is a queue we know. */
  readonly queue: string | undefined;
  /** What the call wants declared instead. */
  readonly declare?: readonly Declarable[];
  readonly ignoreResult: boolean;
}

export interface Publisher {
  /** Routes, encodes and publishes; calls of one turn of the event loop join into one plural publish. The chords that the calls belong to are opened first. Rejects with PublishError by the deadline, with ConfigurationError where chords cannot be joined. */
  send(calls: readonly Call[], chords?: readonly ChordOpening[]): Promise<readonly AsyncResult<unknown>[]>;
  /** The first half of send, pure: for a worker's settle, which sends what follows a task together with its result. Throws EncodeError, ConfigurationError. */
  prepare(calls: readonly Call[]): readonly PreparedCall[];
  /** The second half: declares what is needed and publishes. */
  publish(messages: readonly Outgoing[], options: { readonly signal: AbortSignal }): Promise<void>;
  /** Absent while nobody observes what is sent. */
  readonly watch?: PublishWatch | undefined;
}

/** Tells whoever observes what is sent of messages that somebody else sends: a worker, with the end of the task that they follow. */
export interface PublishWatch {
  before(messages: readonly Outgoing[]): Promise<void>;
  /** The broker has them. */
  after(messages: readonly Outgoing[]): Promise<void>;
}
