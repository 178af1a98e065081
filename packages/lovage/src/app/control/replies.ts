// What workers answer, as types. Workers of other versions and other languages may answer more.

/** The answer of a command that changes something. */
export type Ok = { readonly ok: string; readonly error?: undefined } | { readonly error: string; readonly ok?: undefined };

/** Answers by node name; nobody answered: empty. */
export type ByNode<Reply> = Readonly<Record<string, Reply>>;

/** A task that a worker has in hand. */
export interface RequestInfo {
  readonly id: string;
  readonly name: string;
  readonly args: readonly unknown[] | string;
  readonly kwargs: Readonly<Record<string, unknown>> | string;
  readonly type: string;
  readonly hostname: string;
  /** Epoch seconds; null: not started. */
  readonly time_start: number | null;
  readonly acknowledged: boolean;
  readonly delivery_info: {
    readonly exchange: string;
    readonly routing_key: string;
    readonly priority: number | null;
    readonly redelivered: boolean;
  };
  readonly worker_pid: number | null;
}

/** A task that waits for its time. */
export interface ScheduledInfo {
  /** ISO 8601. */
  readonly eta: string;
  readonly priority: number;
  readonly request: RequestInfo;
}

/** A queue that a worker takes from. */
export interface QueueInfo {
  readonly name: string;
  readonly routing_key: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly auto_delete: boolean;
  readonly no_ack: boolean;
  readonly exchange: { readonly name: string; readonly type: string; readonly durable: boolean; readonly auto_delete: boolean };
  /** Those that were given as arguments. */
  readonly queue_arguments: Readonly<Record<string, unknown>> | null;
  readonly consumer_arguments: Readonly<Record<string, unknown>> | null;
  /** Seconds. */
  readonly expires: number | null;
  readonly message_ttl: number | null;
  readonly max_length: number | null;
  readonly max_length_bytes: number | null;
  readonly max_priority: number | null;
  /** All of them; none where exchange and routing key say it. */
  readonly bindings: readonly { readonly exchange: QueueInfo['exchange']; readonly routing_key: string }[];
}

/** Statistics of a worker. */
export interface WorkerStats {
  readonly pid: number;
  /** Started tasks by name. */
  readonly total: Readonly<Record<string, number>>;
  readonly clock: string;
  /** Seconds. */
  readonly uptime: number;
  readonly pool: Readonly<Record<string, unknown>>;
  readonly broker: Readonly<Record<string, unknown>>;
  readonly prefetch_count: number;
  readonly rusage: Readonly<Record<string, number>> | string;
}
