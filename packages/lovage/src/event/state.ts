// A picture of the cluster in memory, made of its events: workers, alive or not, and the last tasks. Bounded, and the same whatever the
// order in which events came. A monitor feeds it; it asks nobody.
import { type CeleryEvent, eventGroup, type WorkerEvent } from '../protocol/index.ts';
import { type Clock, logger, systemClock } from '../util/index.ts';
import type { StreamEvent } from './receiver.ts';
import { type AboutTask, addEvent, foldTask, type TaskView } from './task-view.ts';

const MAX_WORKERS = 5000;
const MAX_TASKS = 10_000;
/** Until a worker says how often its heart beats. */
const FIRST_FREQ = 60;
/** A worker that was not heard for so many heartbeats is dead. */
const PATIENCE = 2;
const KEPT_BEATS = 4;
/** Seconds between the clocks of two machines that are worth a warning. */
const DRIFT = 16;
const log = logger('event');

/** A worker as monitors show it. */
export interface WorkerView {
  readonly hostname: string;
  readonly pid: number | undefined;
  /** Seconds between two heartbeats. */
  readonly freq: number;
  /** When it was last heard (epoch seconds, here), oldest first; empty after it went. */
  readonly heartbeats: readonly number[];
  readonly clock: number | undefined;
  readonly active?: number;
  readonly processed?: number;
  readonly loadavg?: readonly number[];
  readonly swIdent?: string;
  readonly swVer?: string;
  readonly swSys?: string;
}

export interface ClusterStateOptions {
  /** @default 5000 */
  readonly maxWorkers?: number;
  /** @default 10000 */
  readonly maxTasks?: number;
  readonly clock?: Clock;
  readonly onNodeJoin?: (worker: WorkerView) => void;
  /** It said that it goes. One that only falls silent is not alive any more. */
  readonly onNodeLeave?: (worker: WorkerView) => void;
}

/** How to choose and order tasks. */
export interface TaskQuery {
  /** Name of the task. */
  readonly name?: string;
  /** Node name. */
  readonly worker?: string;
  readonly state?: string;
  readonly limit?: number;
  /** @default true */
  readonly newestFirst?: boolean;
}

interface KeptTask {
  readonly events: AboutTask[];
  view: TaskView;
}

/** The picture. */
export class ClusterState {
  /** All events so far. */
  eventCount = 0;
  /** Of those, tasks that were received. */
  taskCount = 0;
  readonly #options: ClusterStateOptions;
  readonly #clock: Clock;
  readonly #workers = new Map<string, WorkerView>();
  readonly #tasks = new Map<string, KeptTask>();
  readonly #byName = new Map<string, Set<string>>();
  readonly #byWorker = new Map<string, Set<string>>();
  readonly #byParent = new Map<string, Set<string>>();
  readonly #drifted = new Set<string>();

  constructor(options: ClusterStateOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Takes an event in; a gap says nothing. */
  add(event: StreamEvent | CeleryEvent): void {
    if (event.type === 'gap') return;
    this.eventCount++;
    const heard = 'localReceived' in event ? event.localReceived : this.#clock.now();
    const group = eventGroup(event.type === 'custom' ? event.name : event.type);
    if (group === 'worker') this.#addWorker(event, heard);
    else if (group === 'task' && 'uuid' in event && event.uuid !== undefined) this.#addTask(event as AboutTask, heard);
  }

  // --- workers ---

  #addWorker(event: CeleryEvent, heard: number): void {
    const isReport = event.type === 'worker-online' || event.type === 'worker-heartbeat' || event.type === 'worker-offline';
    if (isReport) this.#report(event, heard);
    else this.#hear(event, heard);
  }

  #report(event: WorkerEvent, heard: number): void {
    const known = this.#workers.get(event.hostname);
    const offline = event.type === 'worker-offline';
    // What a peer leaves out is as it was.
    const { freq, active, processed, loadavg, swIdent, swVer, swSys } = { ...known, ...event };
    const fields = { freq, active, processed, loadavg, swIdent, swVer, swSys };
    const worker = {
      ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
      hostname: event.hostname,
      pid: event.pid ?? known?.pid,
      freq: freq ?? FIRST_FREQ,
      clock: event.clock ?? known?.clock,
      heartbeats: offline ? [] : beats(known, heard),
    };
    this.#keepWorker(worker);
    this.#warnOfDrift(event, heard);
    if (offline) this.#options.onNodeLeave?.(worker);
    else if (known === undefined || event.type === 'worker-online') this.#options.onNodeJoin?.(worker);
  }

  /** Any word of a worker is a sign of life. */
  #hear(event: CeleryEvent, heard: number): void {
    const known = this.#workers.get(event.hostname);
    const { hostname, pid, clock } = event;
    this.#keepWorker({
      freq: FIRST_FREQ,
      ...known,
      hostname,
      pid: pid ?? known?.pid,
      clock: clock ?? known?.clock,
      heartbeats: beats(known, heard),
    });
    if (known === undefined) this.#options.onNodeJoin?.(this.#workers.get(hostname) as WorkerView);
  }

  #keepWorker(worker: WorkerView): void {
    this.#workers.delete(worker.hostname);
    this.#workers.set(worker.hostname, worker);
    dropOldest(this.#workers, this.#options.maxWorkers ?? MAX_WORKERS, ([hostname]) => this.#drifted.delete(hostname));
  }

  #warnOfDrift({ hostname, timestamp }: CeleryEvent, heard: number): void {
    const seconds = Math.round(Math.abs(timestamp - heard));
    if (seconds <= DRIFT || this.#drifted.has(hostname)) return;
    this.#drifted.add(hostname);
    log.warning('The clock of {hostname} is {seconds} s away from the one here, or its events take so long.', {
      hostname,
      seconds,
    });
  }

  /** Workers, by node name. */
  workers(): readonly WorkerView[] {
    return [...this.#workers.values()].sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
  }

  worker(hostname: string): WorkerView | undefined {
    return this.#workers.get(hostname);
  }

  /** Was it heard lately? */
  isAlive({ heartbeats, freq }: WorkerView): boolean {
    const last = heartbeats.at(-1);
    return last !== undefined && this.#clock.now() < last + freq * PATIENCE;
  }

  aliveWorkers(): readonly WorkerView[] {
    return this.workers().filter((worker) => this.isAlive(worker));
  }

  forgetWorker(hostname: string): void {
    this.#workers.delete(hostname);
    this.#drifted.delete(hostname);
  }

  /** Forgets workers that have not been heard for so many seconds. Answers them. */
  forgetWorkers(silentSeconds: number): readonly WorkerView[] {
    const limit = this.#clock.now() - silentSeconds;
    const gone = [...this.#workers.values()].filter(({ heartbeats }) => (heartbeats.at(-1) ?? 0) < limit);
    for (const { hostname } of gone) this.forgetWorker(hostname);
    return gone;
  }

  // --- tasks ---

  #addTask(event: AboutTask, heard: number): void {
    if (event.type === 'task-received') this.taskCount++;
    // A custom event may come from a slot, which is the worker for monitors.
    if (event.type !== 'task-sent') this.#hear(event, heard);
    const known = this.#tasks.get(event.uuid);
    const events = known?.events ?? [];
    if (!addEvent(events, event)) return;
    const view = foldTask(event.uuid, events) as TaskView;
    this.#index(event.uuid, known?.view, view);
    if (known !== undefined) known.view = view;
    else {
      this.#tasks.set(event.uuid, { events, view });
      dropOldest(this.#tasks, this.#options.maxTasks ?? MAX_TASKS, ([uuid, task]) => this.#index(uuid, task.view, undefined));
    }
  }

  #index(uuid: string, before: TaskView | undefined, after: TaskView | undefined): void {
    move(this.#byName, uuid, before?.name, after?.name);
    move(this.#byWorker, uuid, before?.worker, after?.worker);
    move(this.#byParent, uuid, before?.parentId ?? undefined, after?.parentId ?? undefined);
  }

  task(uuid: string): TaskView | undefined {
    return this.#tasks.get(uuid)?.view;
  }

  /** Tasks that this one sent, as far as they are known. */
  children(uuid: string): readonly TaskView[] {
    return this.#views(this.#byParent.get(uuid) ?? []);
  }

  /** Tasks by the time of their last change of state. */
  tasks({ name, worker, state, limit = Number.POSITIVE_INFINITY, newestFirst = true }: TaskQuery = {}): readonly TaskView[] {
    const ids =
      worker === undefined
        ? name === undefined
          ? this.#tasks.keys()
          : (this.#byName.get(name) ?? [])
        : (this.#byWorker.get(worker) ?? []);
    const found = this.#views(ids).filter(
      (task) => (name === undefined || task.name === name) && (state === undefined || task.state === state),
    );
    const sign = newestFirst ? -1 : 1;
    found.sort((a, b) => sign * (a.timestamp - b.timestamp || (a.clock ?? 0) - (b.clock ?? 0)));
    return limit < found.length ? found.slice(0, limit) : found;
  }

  #views(ids: Iterable<string>): TaskView[] {
    const views: TaskView[] = [];
    for (const id of ids) {
      const task = this.#tasks.get(id);
      if (task !== undefined) views.push(task.view);
    }
    return views;
  }

  /** Names of tasks that were seen. */
  taskTypes(): readonly string[] {
    return [...this.#byName.keys()].sort();
  }

  /** How many tasks are in each state. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { view } of this.#tasks.values()) counts.set(view.state, (counts.get(view.state) ?? 0) + 1);
    return counts;
  }

  /** Forgets tasks that have ended, or all. */
  clearTasks({ ready = true }: { readonly ready?: boolean } = {}): void {
    for (const [uuid, { view }] of this.#tasks) {
      if (ready && !view.isReady) continue;
      this.#tasks.delete(uuid);
      this.#index(uuid, view, undefined);
    }
  }

  /** The same, and workers and counts too. */
  clear(options: { readonly ready?: boolean } = {}): void {
    this.clearTasks(options);
    this.#workers.clear();
    this.#drifted.clear();
    this.clearCounts();
  }

  /** Begins to count events and tasks anew. */
  clearCounts(): void {
    this.eventCount = 0;
    this.taskCount = 0;
  }
}

function beats(known: WorkerView | undefined, heard: number): readonly number[] {
  const all = [...(known?.heartbeats ?? []), heard];
  if (all.length > 1 && heard < (all.at(-2) ?? 0)) all.sort((a, b) => a - b);
  return all.slice(-KEPT_BEATS);
}

function dropOldest<Key, Value>(map: Map<Key, Value>, max: number, dropped: (entry: [Key, Value]) => void): void {
  for (const entry of map) {
    if (map.size <= max) return;
    map.delete(entry[0]);
    dropped(entry);
  }
}

/** Moves an id from one set of an index to another; empty sets go. */
function move(index: Map<string, Set<string>>, id: string, from: string | undefined, to: string | undefined): void {
  if (from === to) return;
  if (from !== undefined) {
    const set = index.get(from);
    set?.delete(id);
    if (set?.size === 0) index.delete(from);
  }
  if (to === undefined) return;
  const set = index.get(to);
  if (set === undefined) index.set(to, new Set([id]));
  else set.add(id);
}
