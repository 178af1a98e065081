// What a consumer needs of the program around it. The worker room makes one of an app; tests may make one by hand.
import type { Broker, Delivery, ExchangeType, Outgoing, Topology } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { ChordOpening, CompleteChord, ResultBackend, StoredOpening, StoredResult } from '../result/index.ts';
import type { MessageGuard } from '../security/index.ts';
import type { Aftermath, FollowUp, Publisher, TaskDefinition, TaskEnd, TaskOptions } from '../task/index.ts';

/** The settings that decide a message's fate. Names and units are those of the settings table. */
export interface ConsumerSettings {
  /** Seconds. @default 4 */
  readonly brokerConnectionTimeout?: number;
  readonly taskAcksLate: boolean;
  readonly taskAcksOnFailureOrTimeout: boolean;
  readonly taskAcksOnFailure?: boolean | null | undefined;
  readonly taskAcksOnTimeout?: boolean | null | undefined;
  readonly taskRejectOnWorkerLost?: boolean | null | undefined;
  readonly taskIgnoreResult: boolean;
  /** Seconds. */
  readonly taskTimeLimit?: number | null | undefined;
  readonly taskSoftTimeLimit?: number | null | undefined;
  readonly taskDefaultRateLimit?: number | string | null | undefined;
  readonly workerDisableRateLimits: boolean;
  /** Messages held for each slot, those that run included; 0: as many as come. */
  readonly workerPrefetchMultiplier: number;
  /** Most messages in memory that wait for their eta. */
  readonly workerEtaTaskLimit?: number | null | undefined;
  /** Take nothing ahead of free slots. @default false */
  readonly workerDisablePrefetch?: boolean;
  /** After a reconnect, slots of tasks that still run without their message take none. @default true */
  readonly workerEnablePrefetchCountReduction?: boolean;
  /** Abort tasks with late acknowledgement when the line is lost. @default false */
  readonly workerCancelLongRunningTasksOnConnectionLoss?: boolean;
  /** A redelivered message whose task succeeded does not run it again. @default true */
  readonly workerDeduplicateSuccessfulTasks?: boolean;
  readonly brokerConnectionRetry: boolean;
  readonly brokerConnectionRetryOnStartup?: boolean | null | undefined;
  /** null or 0: for ever. */
  readonly brokerConnectionMaxRetries?: number | null | undefined;
  /** Starts of one message before it goes to the dead letters; null: no limit. */
  readonly maxDeliveries?: number | null | undefined;
  /** Times in a row that a task ends its process before it is in quarantine; null: no limit. */
  readonly quarantineAfter?: number | null | undefined;
  /** What becomes of a message whose task is not registered here. */
  readonly unknownTask: string;
  /** Larger bodies go to the dead letters unread. */
  readonly maxBodyBytes: number;
  /** Zone of times that a message says are local. @default this machine's */
  readonly timezone?: string | null | undefined;
  /** Seconds that a result is kept; the fence of an attempt lives as long. */
  readonly resultExpires?: number | null | undefined;
}

/** What others may want to see; a consumer never waits for it and never changes its mind. */
export interface ConsumerObserver {
  taskReceived?(request: TaskRequest): void;
  taskRevoked?(
    request: TaskRequest,
    fields: { readonly expired: boolean; readonly terminated: boolean; readonly signal: string | undefined },
  ): void;
  taskRejected?(delivery: Delivery, error: Error | undefined): void;
  taskUnknown?(
    delivery: Delivery,
    fields: { readonly name: string; readonly id: string | undefined; readonly error: Error },
  ): void;
}

/** How a task failed, or why it is tried again, as events tell it. */
export interface EventError {
  readonly type: string;
  readonly message: string;
  readonly traceback: string | undefined;
}

/** How a task ended well, as events tell it. */
export interface TaskSuccess {
  readonly id: string;
  /** Its text. */
  readonly result: string;
  /** Seconds. */
  readonly runtime: number;
}

/** Where events about tasks go. `wanted` is looked at first: a worker whose events are off pays that one look for each of them. */
export interface TaskEvents {
  readonly wanted: boolean;
  received(request: TaskRequest): void;
  started(request: TaskRequest): void;
  /** Called when the result can be read. */
  succeeded(success: TaskSuccess): void;
  failed(id: string, error: EventError): void;
  retried(id: string, error: EventError): void;
  revoked(
    id: string,
    fields: { readonly terminated: boolean; readonly expired: boolean; readonly signal: string | undefined },
  ): void;
  rejected(id: string, requeue: boolean): void;
  /** It runs again elsewhere, because this worker stopped it. */
  cancelled(id: string): void;
}

/** A queue that a worker shall take from. What is left out is as the settings say. */
export interface AddedQueue {
  readonly name: string;
  readonly exchange?: string | undefined;
  readonly exchangeType?: ExchangeType | undefined;
  readonly routingKey?: string | undefined;
  readonly options?: Readonly<Record<string, unknown>> | undefined;
}

/** Who a record is about, when there may be no request to ask. */
export interface ResultOwner {
  readonly id: string;
  readonly name: string | undefined;
  readonly request: TaskRequest | undefined;
  readonly replyTo: string | undefined;
  readonly correlationId: string | undefined;
  /** Under which the record is written (attemptNumber). */
  readonly attempt: number;
}

/** Records that the consumer itself must write, because no slot ever saw the task. */
export interface RecordWriter {
  failure(owner: ResultOwner, error: Error): readonly StoredResult[];
  revoked(owner: ResultOwner, reason: 'revoked' | 'expired' | 'terminated'): readonly StoredResult[];
}

/** What a worker must know to end chords. */
export interface JoinPort {
  /** An opening as the store keeps it. */
  opening(opening: ChordOpening): StoredOpening;
  /** What a complete chord leads to, under the same ids whoever asks. Never rejects. */
  ended(chord: CompleteChord): Promise<Aftermath>;
}

/** Everything that a consumer needs of an app. */
export interface WorkerApp {
  readonly settings: ConsumerSettings;
  readonly broker: Broker;
  /** Absent: results are not kept. */
  readonly backend: ResultBackend | undefined;
  readonly publisher: Pick<Publisher, 'publish' | 'watch'>;
  readonly records: RecordWriter;
  readonly observer: ConsumerObserver;
  /** Absent: nobody hears of events. */
  readonly events?: TaskEvents | undefined;
  /** Read live, so that a task registered later is known at once. */
  find(name: string): TaskDefinition | undefined;
  /** For suggestions. */
  taskNames(): readonly string[];
  /** Its options over annotations, over the settings. */
  options(definition: TaskDefinition): Readonly<TaskOptions>;
  /** Looks at the signatures in headers before anything else is read. Absent: nobody asked for signatures. */
  readonly guard?: MessageGuard | undefined;
  /** Decodes a body of protocol 1; protocol 2 stays bytes until its slot. */
  decodeBody(delivery: Delivery): unknown;
  /** What to declare and which queues to take from; asked again for each line, so that changes outlive it. */
  queues(): { readonly names: readonly string[]; readonly topology: Topology };
  /** From now on `queues` has this one too. Resolves to what to declare for it. Throws ConfigurationError or QueueNotFoundError. */
  addQueue?(queue: AddedQueue): { readonly name: string; readonly topology: Topology };
  /** From now on `queues` is without it. Answers the broker's name for it; undefined when it was not among them. */
  cancelQueue?(name: string): string | undefined;
  /** The task that looks whether all members of a group have ended, as messages; with what its chord does then, and its group as it was saved. */
  unlock?(groupId: string, callback: string, group: Uint8Array): readonly Outgoing[];
  /** Absent: parts of chords are not counted. */
  readonly joins?: JoinPort | undefined;
  /** What else follows the end of a task that no slot ended. Never rejects. */
  aftermath?(request: TaskRequest, body: Uint8Array, end: TaskEnd): Promise<Aftermath>;
  /** What follows a task whose end an earlier attempt stored before its worker died; the ids are those of the first time. Throws what makes the message unusable. */
  followUp?(request: TaskRequest, body: Uint8Array, stored: StoredResult): Promise<FollowUp>;
  /** Does this FAILURE say that the task rejected its message? */
  wasRejected?(stored: StoredResult): boolean;
}
