// What the scenarios need of a broker and of those who run on it. Lovage's stacks are in lovage-stack.ts; a peer brings its own.
import type { RabbitServer, Server } from '../../../../../scripts/servers/index.ts';
import type { Child } from './child.ts';
import type { Final } from './ledger.ts';
import type { Load } from './orders.ts';
import type { FaultProxy } from './proxy.ts';
import type { ScenarioContext } from './scenario.ts';

export interface StackOptions {
  /** How hard Redis tries to keep what it confirmed. @default 'off' */
  readonly appendonly?: 'off' | 'everysec' | 'always';
  /** Seconds; on Redis and the embedded broker. @default 2 (short) or the broker's own (long) */
  readonly lease?: number;
  /** Seconds after which Python peers on Redis take a message that nobody acknowledged for lost. @default Lovage's: as the broker has it; Celery's: the lease */
  readonly visibility?: number;
  /** Seconds. @default 2 (short) or 10 (long) */
  readonly heartbeat?: number;
  /** Seconds in which a publish has to be confirmed. @default 3 (short) or 10 (long) */
  readonly publishTimeout?: number;
  /** Further settings of producers and workers (Lovage's names; a peer reads what it knows). */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Which lines go through the proxies. */
export interface Ways {
  readonly broker?: 'direct' | 'proxy' | undefined;
  readonly results?: 'direct' | 'proxy' | undefined;
}

export interface WorkerOptions extends Ways {
  readonly name: string;
  readonly concurrency?: number;
  /** A module with tasks of its own; see Orders. */
  readonly tasks?: string;
  /** The pool's name. @default async */
  readonly pool?: string;
  /** Further settings of this worker. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** What the program is started with, as `['prlimit', '--nofile=64']`. */
  readonly wrap?: readonly string[];
  /** `spawn`: do not wait until it is ready. @default 'ready' */
  readonly awaits?: 'ready' | 'spawn';
}

export interface Producer extends AsyncDisposable {
  readonly child: Child;
  /** Resolves when the broker has confirmed all of it. */
  produce(load: Load): Promise<void>;
}

/** Somebody who waits for results in this process. */
export interface Waiter extends AsyncDisposable {
  /** Resolves to what the task returned. */
  wait(id: string, seconds: number): Promise<unknown>;
}

export interface OpenStack extends AsyncDisposable {
  /** A fresh folder for the ledger, the logs, and the embedded file. */
  readonly folder: string;
  readonly queue: string;
  /** Seconds within which a dead process' messages run elsewhere: the promise. */
  readonly takeover: number;
  /** Seconds of silence after which a frozen holder is given up; undefined: the broker sees only that the line ends. */
  readonly lease: number | undefined;
  readonly publishTimeout: number;
  /** Seconds between two signs of life on a line. */
  readonly heartbeat: number;
  /** Servers that can be killed and stopped; the embedded broker has none. */
  readonly broker: Server | undefined;
  readonly brokerProxy: FaultProxy | undefined;
  readonly resultProxy: FaultProxy | undefined;
  /** The server itself, for commands of its own kind. */
  readonly redisUrl?: string | undefined;
  readonly rabbit?: RabbitServer | undefined;
  /** Debian's Celery beside Lovage's workers, on the same queue. */
  python?(options: WorkerOptions & { readonly role?: 'worker' | 'producer' }): Promise<Child>;
  worker(options: WorkerOptions): Promise<Child>;
  producer(options: Ways & { readonly name: string }): Promise<Producer>;
  waiter?(ways: Ways): Promise<Waiter>;
  /** What the result store shows now for these ids; those without a final state are left out. */
  finals(ids: readonly string[]): Promise<readonly Final[]>;
  /** Ids in the dead letters, with the reason. */
  deadLetters(): Promise<ReadonlyMap<string, string>>;
  /**
   * Resolves when the server has written down what it had put off, where a kill before that destroys more than it should; to what a
   * reader of the table has to know.
   */
  settle?(): Promise<string | undefined>;
  /** Sends all dead letters of the queue again; resolves to how many. */
  resend?(): Promise<number>;
  /** A process that does so; see resend-program.ts. */
  resender?(name: string): Promise<Child>;
  /** A process that sends many tasks at once; see bulk-program.ts. */
  bulk?(name: string): Promise<Child>;
  /** What the broker still has of the queue, held messages included as far as it tells of them. */
  waiting(): Promise<number>;
  /** What the run has left in the broker, in a few words each. Its processes may be ended for it. */
  leftovers?(): Promise<readonly string[]>;
  /** Tells of each final state in the moment in which the store takes it, where the store tells. */
  watchFinals?(saw: (final: Final) => void): Promise<AsyncDisposable>;
}

export type OpensStack = (context: ScenarioContext, options?: StackOptions) => Promise<OpenStack>;
