// What control commands ask of the app, made by of-app.ts.
import type { AskOptions, CustomCommands, Settings } from '../../app/index.ts';
import type { Delivery, Topology } from '../../broker/index.ts';
import type { ControlNames, ControlReply } from '../../protocol/index.ts';
import type { Encoded } from '../../serialization/index.ts';
import type { TaskDefinition } from '../../task/index.ts';
import type { LamportClock } from '../../util/index.ts';

/** The settings that commands read. */
export type ControlSettings = Pick<
  Settings,
  | 'controlExchange'
  | 'taskSerializer'
  | 'workerEnableRemoteControl'
  | 'workerPoolRestarts'
  | 'workerHeapSnapshotDir'
  | 'remoteControl'
  | 'brokerConnectionTimeout'
  | 'brokerHeartbeat'
  | 'brokerFailoverStrategy'
>;

/** An app as remote control sees it. */
export interface ControlPort {
  /** Of this moment. */
  readonly settings: ControlSettings;
  /** The names on the wire. */
  readonly names: ControlNames;
  /** The queue in which this process hears what all nodes are told, and the exchange of answers. */
  readonly ear: { readonly queue: string; readonly requests: Topology; readonly replies: Topology };
  readonly clock: LamportClock;
  /** Asks other workers. */
  ask(method: string, args: Readonly<Record<string, unknown>>, options: AskOptions): Promise<readonly ControlReply[]>;
  encode(value: unknown): Encoded;
  /** Throws what serialization throws. */
  decode(delivery: Delivery): unknown;
  /** Commands of the program. */
  readonly custom: CustomCommands;
  /** Settings by Celery's names, as texts, numbers and lists; secrets blotted out. */
  conf(withDefaults: boolean): Readonly<Record<string, unknown>>;
  /** Addresses, passwords masked. */
  readonly urls: { readonly broker: string; readonly results: string };
  /** The app's own tasks, and with `builtIns` those that every app has. */
  tasks(builtIns: boolean): readonly TaskDefinition[];
}
