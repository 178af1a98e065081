// A pool whose slots are processes or threads: what prefork and threads share. It hands jobs out, follows each slot from its start to its
// end, and says of every job how it ended, whatever became of its slot. Its own table is the truth: a slot is believed only about jobs
// that it was given.
//
// A job:  queued → handed → accepted → settled. A slot that is gone gives back what was handed to it and not begun; what had begun is LOST,
// or what its end was meant to be (terminated, hard limit). A slot: starting → up → leaving → gone; see slot.ts.
import type { Job, Outcome } from '../task/index.ts';
import { after, ConfigurationError, logger, TaskRevokedError, TimeLimitExceededError, type Timer } from '../util/index.ts';
import { Assignment } from './assignment.ts';
import { FRAME, type Frame } from './frames.ts';
import { LARGE_FRAME, LargeFrames } from './large.ts';
import { type OpenLink, type OutputStream, type SlotEnd, type SlotProgram, STOP } from './link.ts';
import { describeEnd, lost, lostMessage } from './lost.ts';
import type { Pool, PoolPowers, RunOptions } from './seam.ts';
import { byIdleness, occupy, roomiest, type Slot as SlotOf, slotOf, vacate } from './slot.ts';
import type { EndOutside } from './slots.ts';
import { StormGuard } from './storm.ts';
import { abortReasonOf, readOutcome, readValue, writeJob } from './wire.ts';

const log = logger('pool');

/** A line that something in a slot wrote, and the task that alone was running there. */
export interface SlotLine {
  readonly slot: string;
  readonly stream: OutputStream;
  readonly text: string;
  readonly task: { readonly name: string; readonly id: string } | undefined;
}

/** What a pool of slots is made of. */
export interface SlotPoolOptions {
  /** How many jobs may run at once. */
  readonly limit: number;
  /** How many of them share a slot. @default 1 */
  readonly width?: number | undefined;
  readonly program: SlotProgram;
  readonly ended: EndOutside;
  /** Replace a slot that was given so many jobs. */
  readonly maxTasksPerChild?: number | undefined;
  /** Replace a slot that uses more than so many KiB, after its job. */
  readonly maxMemoryPerChild?: number | undefined;
  /** Slots that are up beyond those that the limit needs, so that none is missed while another starts. @default 0 */
  readonly spare?: number | undefined;
  /** Seconds that a task gets to heed that it is terminated before its slot is ended. @default 5 */
  readonly grace?: number | undefined;
  /** Seconds that a slot may take to start. @default 30 */
  readonly startTimeout?: number | undefined;
  /** Seconds that a slot may take to leave. @default 5 */
  readonly exitTimeout?: number | undefined;
  /** For statistics: soft and hard limit of tasks that have none of their own. */
  readonly timeouts?: readonly [soft: number, hard: number] | undefined;
  readonly alone?: NonNullable<Pool['alone']> | undefined;
  /** Before a slot is started. */
  readonly beforeStart?: (() => void) | undefined;
  readonly onLine?: ((line: SlotLine) => void) | undefined;
  /** A slot is ready, and knows these tasks. */
  readonly onUp?: ((slot: string, tasks: readonly string[]) => void) | undefined;
  /** The pool can start no slots any more. */
  readonly onBroken?: ((error: Error) => void) | undefined;
}

const DEFAULT_GRACE = 5;
/** Seconds after its abort for a job that is not terminated but interrupted; the worker itself waits little longer. */
const INTERRUPT_GRACE = 1.5;
/** Seconds after a hard limit in which a slot may still end the job itself; as long as Celery waits between TERM and KILL. */
const LIMIT_GRACE = 0.1;
const START_TIMEOUT = 30;
const EXIT_TIMEOUT = 5;
/** Seconds in which a slot with nothing else to do has to begin what it was handed. */
const ACCEPT_TIMEOUT = 5;
/** A job that so many slots died of before it began is what they died of. */
const MAX_MISSES = 3;
const SWEEP_MS = 1000;
/** Seconds after which a slot is asked whether a job has begun that it has not spoken of. */
const PROBE = 0.05;
/** Numbers of jobs fit a signed 32-bit integer. */
const MAX_SEQ = 0x7fff_fffe;

type Slot = SlotOf<Assignment>;

class SlotPool implements Pool {
  readonly name: string;
  readonly can: PoolPowers;
  readonly width: number;
  readonly alone?: NonNullable<Pool['alone']>;
  readonly #options: SlotPoolOptions;
  readonly #openLink: OpenLink;
  readonly #guard = new StormGuard();
  readonly #large = new LargeFrames();
  readonly #queue: Assignment[] = [];
  readonly #open = new Map<number, Assignment>();
  #slots: readonly Slot[] = [];
  #limit: number;
  #running = 0;
  #done = 0;
  #lost = 0;
  #replaced = 0;
  #seq = 0;
  #last = 0;
  /** Jobs that each slot number was given. */
  readonly #writes = new Map<number, number>();
  #retry: Timer | undefined;
  #probe: Timer | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #broken: Error | undefined;
  #leaving = false;
  #closing: Promise<void> | undefined;
  #change: PromiseWithResolvers<void> | undefined;
  /** Why the first slots did not start. */
  #firstFailure: Error | undefined;
  #everUp = false;
  /** It was said that slots use more memory than they may before they have done anything. */
  #tight = false;

  constructor(name: string, options: SlotPoolOptions, openLink: OpenLink) {
    this.name = name;
    this.can = { kill: true, isolate: name === 'prefork', resize: true, restart: true };
    this.width = options.width ?? 1;
    this.#options = options;
    this.#openLink = openLink;
    this.#limit = options.limit;
    if (options.alone !== undefined) this.alone = options.alone;
    else if (name === 'prefork' && this.width === 1) this.alone = (job, run) => this.run(job, run);
  }

  get limit(): number {
    return this.#limit;
  }

  get running(): number {
    return this.#running;
  }

  /** Starts the slots; resolves when the first is up, and rejects when none can be. */
  async start(): Promise<void> {
    this.#maintain();
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();
    await this.#until(() => this.#everUp || this.#firstFailure !== undefined);
    if (this.#firstFailure === undefined) return;
    await this[Symbol.asyncDispose]();
    throw this.#firstFailure;
  }

  run(job: Job, options: RunOptions): Promise<Outcome> {
    if (this.#broken !== undefined) throw this.#broken;
    return new Promise((resolve) => {
      this.#seq = this.#seq === MAX_SEQ ? 1 : this.#seq + 1;
      const assignment = new Assignment(this.#seq, job, options, resolve);
      this.#queue.push(assignment);
      assignment.watch((reason) => this.#abort(assignment, reason));
      this.#pump();
    });
  }

  async resize(limit: number): Promise<void> {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`A pool has at least one slot, not ${limit}.`);
    this.#limit = limit;
    this.#maintain();
    this.#pump();
  }

  async restart(): Promise<void> {
    const old = this.#slots;
    for (const slot of old) this.#retire(slot);
    this.#maintain();
    const wanted = this.#wanted;
    await this.#until(
      () =>
        this.#broken !== undefined ||
        this.#leaving ||
        this.#slots.filter((slot) => !old.includes(slot) && slot.state === 'up').length >= Math.min(wanted, this.#wanted),
    );
  }

  info(): Readonly<Record<string, unknown>> {
    const { maxTasksPerChild, timeouts = [0, 0] } = this.#options;
    return {
      implementation: `lovage.pool:${this.name}`,
      'max-concurrency': this.#limit,
      processes: [...new Set(this.#slots.map(({ link }) => link.pid))],
      'max-tasks-per-child': maxTasksPerChild ?? 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [...timeouts],
      writes: this.#writeStatistics(),
      lovage: {
        running: this.#running,
        queued: this.#queue.length,
        zombies: 0,
        done: this.#done,
        lost: this.#lost,
        replaced: this.#replaced,
        width: this.width,
        slots: this.#slots.map(({ name, link, state, retired, taken, jobs }) => ({
          name,
          pid: link.pid,
          state: retired && state === 'up' ? 'retired' : state,
          running: taken,
          jobs,
        })),
      },
    };
  }

  /** Waits for what runs and lets the slots leave; whoever is in a hurry aborts the jobs first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#until(() => this.#running === 0 && this.#queue.length === 0);
    this.#leaving = true;
    this.#retry?.cancel();
    for (const slot of this.#slots) this.#retire(slot);
    await this.#until(() => this.#slots.length === 0);
    clearInterval(this.#sweeper);
  }

  /** As Celery counts what it wrote to each child. */
  #writeStatistics(): Readonly<Record<string, unknown>> {
    const counts = [...this.#writes.values()];
    const total = counts.reduce((sum, count) => sum + count, 0);
    const share = (count: number): string => (total === 0 ? 0 : count / total).toFixed(2);
    return {
      total,
      avg: share(counts.length === 0 ? 0 : total / counts.length),
      all: counts.map(share).join(', '),
      raw: counts.join(', '),
      strategy: 'fair',
      inqueues: { total: this.#slots.length, active: this.#slots.filter(({ taken }) => taken > 0).length },
    };
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      this.#change ??= Promise.withResolvers<void>();
      await this.#change.promise;
    }
  }

  #changed(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  // Jobs.

  #pump(): void {
    while (this.#queue.length > 0 && this.#running < this.#limit) {
      const slot = roomiest(this.#slots, this.#last);
      const assignment = slot === undefined ? undefined : this.#queue.shift();
      if (slot === undefined || assignment === undefined) return;
      this.#hand(slot, assignment);
    }
  }

  #hand(slot: Slot, assignment: Assignment): void {
    this.#last = this.#slots.indexOf(slot);
    const lane = occupy(slot, assignment);
    assignment.slot = slot;
    assignment.lane = lane;
    assignment.handedAt = performance.now();
    this.#running++;
    this.#open.set(assignment.seq, assignment);
    this.#writes.set(slot.index, (this.#writes.get(slot.index) ?? 0) + 1);
    const { head, body } = writeJob(assignment.job, lane, assignment.options.announce === true);
    if (body.length > LARGE_FRAME) this.#large.tell(assignment.job.request.task, 'arguments', body.length);
    slot.link.send(FRAME.job, assignment.seq, head, body);
    if (this.#probe === undefined) this.#probe = after(PROBE, () => this.#askAround(), { ref: true });
    const { maxTasksPerChild } = this.#options;
    if (maxTasksPerChild === undefined || slot.jobs < maxTasksPerChild) return;
    // Its place is taken by a slot that starts while it runs its last job.
    this.#retire(slot);
    this.#maintain();
  }

  #frame(slot: Slot, frame: Frame): void {
    if (frame.type === FRAME.up) this.#up(slot, frame);
    else if (frame.type === FRAME.failed) slot.failure = String((readValue(frame) as { readonly message: unknown }).message);
    else {
      const assignment = this.#open.get(frame.seq);
      if (frame.type === FRAME.free) this.#free(slot, frame.seq);
      else if (assignment === undefined || assignment.slot !== slot) return;
      else if (frame.type === FRAME.accept) this.#accepted(slot, assignment);
      else if (frame.type === FRAME.done) this.#ended(slot, assignment, frame);
    }
  }

  #accepted(slot: Slot, assignment: Assignment, at: number = performance.now()): void {
    if (assignment.startedAt !== undefined) return;
    const { job, options } = assignment;
    slot.accepted++;
    this.#guard.calm();
    assignment.startedAt = at;
    const { timeLimit } = job;
    if (timeLimit !== undefined && assignment.timer === undefined) {
      assignment.timer = after(
        timeLimit + LIMIT_GRACE - assignment.runtime,
        () => this.#end(assignment, limitPassed(job, timeLimit)),
        { ref: true },
      );
    }
    options.onStart?.({ pid: slot.link.pid, name: slot.name });
  }

  #ended(slot: Slot, assignment: Assignment, frame: Frame): void {
    const { outcome, left, began } = readOutcome(frame);
    if (began) this.#accepted(slot, assignment);
    if (frame.size > LARGE_FRAME) this.#large.tell(assignment.job.request.task, 'result', frame.size);
    if (left) this.#stays(slot, assignment);
    else vacate(slot, assignment.lane);
    this.#settle(assignment, outcome);
    this.#rest(slot);
    this.#pump();
  }

  /** The attempt is over, its body is not. A moment later nothing of it may be left. */
  #stays(slot: Slot, assignment: Assignment): void {
    after(
      LIMIT_GRACE,
      () => {
        if (slot.state === 'gone' || slot.lanes[assignment.lane] !== assignment) return;
        if (slot.taken === 1) this.#kill(slot);
        else {
          vacate(slot, assignment.lane);
          this.#retire(slot);
          this.#maintain();
        }
      },
      { ref: true },
    );
  }

  /** Tasks that compute from their first moment on cannot say that they have begun; somebody else knows it. */
  #askAround(): void {
    this.#probe = undefined;
    const limit = performance.now() - PROBE * 1000;
    let open = false;
    for (const { slot, lane, startedAt, handedAt } of this.#open.values()) {
      if (startedAt !== undefined) continue;
      open = true;
      if (handedAt < limit) slot?.link.ask(lane);
    }
    if (open) this.#probe = after(PROBE, () => this.#askAround(), { ref: true });
  }

  #begun(slot: Slot, seq: number): void {
    const assignment = this.#open.get(seq);
    if (assignment?.slot === slot) this.#accepted(slot, assignment, assignment.handedAt);
  }

  #free(slot: Slot, seq: number): void {
    const lane = slot.lanes.findIndex((assignment) => assignment?.seq === seq && assignment.settled);
    if (lane === -1) return;
    vacate(slot, lane);
    this.#rest(slot);
    this.#pump();
  }

  /** A slot has one job less. */
  #rest(slot: Slot): void {
    if (slot.taken === 0 && slot.retired) this.#leave(slot);
  }

  #settle(assignment: Assignment, outcome: Outcome | Promise<Outcome>): void {
    if (assignment.settled) return;
    this.#open.delete(assignment.seq);
    this.#running--;
    this.#done++;
    assignment.settle(outcome);
    this.#changed();
  }

  #abort(assignment: Assignment, error: Error): void {
    assignment.stopping = error;
    const { slot } = assignment;
    if (slot === undefined) {
      const at = this.#queue.indexOf(assignment);
      if (at !== -1) this.#queue.splice(at, 1);
      assignment.settle(this.#stopped(assignment, error));
      this.#changed();
      return;
    }
    const terminated = error instanceof TaskRevokedError;
    slot.link.send(FRAME.abort, assignment.seq, JSON.stringify(abortReasonOf(error)));
    slot.link.stop(assignment.lane, assignment.seq, terminated ? STOP.terminated : STOP.interrupted);
    const { grace = DEFAULT_GRACE } = this.#options;
    const patience = terminated ? grace : Math.min(grace, INTERRUPT_GRACE);
    assignment.timer?.cancel();
    if (terminated && error.signal === 'SIGKILL') this.#end(assignment, error);
    else assignment.timer = after(patience, () => this.#end(assignment, error), { ref: true });
  }

  /** Ends the slot of a job, for the job's sake. */
  #end(assignment: Assignment, reason: Error): void {
    if (assignment.settled || assignment.slot === undefined) return;
    assignment.verdict = reason;
    this.#kill(assignment.slot);
  }

  /** What is said of a job that was stopped from outside. */
  #stopped(assignment: Assignment, reason: Error): Outcome | Promise<Outcome> {
    const { job, runtime } = assignment;
    const told = reason instanceof TaskRevokedError || reason instanceof TimeLimitExceededError;
    return told ? this.#options.ended(job, reason, runtime) : lost(reason.message, runtime);
  }

  // Slots.

  /** How many there have to be. */
  get #wanted(): number {
    return Math.ceil(this.#limit / this.width) + (this.#options.spare ?? 0);
  }

  /** Starts what is missing, and lets go of what is too many. */
  #maintain(): void {
    if (this.#leaving || this.#broken !== undefined) return;
    const staying = this.#slots.filter(({ retired }) => !retired);
    const missing = this.#wanted - staying.length;
    if (missing > 0) this.#startSoon(missing);
    else for (const slot of staying.toSorted(byIdleness).slice(0, -missing)) this.#retire(slot);
  }

  #startSoon(count: number): void {
    const { delay } = this.#guard;
    if (delay === 0) {
      for (let started = 0; started < count; started++) this.#startSlot();
      return;
    }
    this.#retry ??= after(
      delay,
      () => {
        this.#retry = undefined;
        // One that lives shows that the others will.
        if (this.#slots.filter(({ retired }) => !retired).length < this.#wanted && !this.#leaving) this.#startSlot();
      },
      { ref: true },
    );
  }

  #startSlot(): void {
    const { program, maxMemoryPerChild, beforeStart, startTimeout = START_TIMEOUT, onLine } = this.#options;
    const index = this.#freeIndex();
    const name = `${this.name}-${index}`;
    beforeStart?.();
    const link = this.#openLink(
      { name, index, program, width: this.width, watchMemory: maxMemoryPerChild !== undefined },
      {
        frame: (frame) => this.#frame(slot, frame),
        line: (stream, text) => onLine?.({ slot: name, stream, text, task: onlyTask(slot) }),
        begun: (seq) => this.#begun(slot, seq),
        memory: (kib) => this.#memory(slot, kib),
        gone: (end) => this.#gone(slot, end),
      },
    );
    const slot: Slot = slotOf(link, { name, index, width: this.width });
    this.#slots = [...this.#slots, slot];
    slot.timer = after(startTimeout, () => this.#late(slot, startTimeout), { ref: true });
  }

  #freeIndex(): number {
    const used = new Set(this.#slots.map(({ index }) => index));
    let index = 1;
    while (used.has(index)) index++;
    return index;
  }

  #up(slot: Slot, frame: Frame): void {
    if (slot.state !== 'starting') return;
    this.#options.onUp?.(slot.name, (readValue(frame) as { readonly tasks: readonly string[] }).tasks);
    slot.state = 'up';
    slot.timer?.cancel();
    this.#everUp = true;
    if (slot.retired) this.#leave(slot);
    this.#pump();
    // Where others still wait for one that lives.
    this.#maintain();
    this.#changed();
  }

  #late(slot: Slot, seconds: number): void {
    slot.failure = `it was not ready within ${seconds} seconds (setting workerProcAliveTimeout)`;
    slot.link.kill();
  }

  #memory(slot: Slot, kib: number): void {
    const { maxMemoryPerChild } = this.#options;
    if (maxMemoryPerChild === undefined || kib <= maxMemoryPerChild || slot.retired) return;
    if (slot.jobs === 0) {
      // Another would use as much: it gets its job first.
      if (!this.#tight)
        log.warning(
          '{slot} uses {kib} KiB before its first task, more than maxMemoryPerChild ({limit}), so that each slot is replaced after one task. Raise the limit.',
          { slot: slot.name, kib, limit: maxMemoryPerChild },
        );
      this.#tight = true;
      return;
    }
    log.info('{slot} uses {kib} KiB, more than maxMemoryPerChild; it is replaced after its task.', { slot: slot.name, kib });
    this.#retire(slot);
    this.#maintain();
  }

  /** No more jobs for it. */
  #retire(slot: Slot): void {
    if (slot.retired) return;
    slot.retired = true;
    this.#replaced++;
    if (slot.state === 'starting') this.#kill(slot);
    else if (slot.taken === 0) this.#leave(slot);
  }

  #leave(slot: Slot): void {
    if (slot.state !== 'up') return;
    slot.state = 'leaving';
    slot.link.send(FRAME.leave, 0);
    const { exitTimeout = EXIT_TIMEOUT } = this.#options;
    slot.timer = after(exitTimeout, () => this.#kill(slot), { ref: true });
  }

  #kill(slot: Slot): void {
    slot.ended = true;
    slot.retired = true;
    slot.link.kill();
    this.#maintain();
  }

  #gone(slot: Slot, end: SlotEnd): void {
    const wasStarting = slot.state === 'starting';
    slot.state = 'gone';
    slot.timer?.cancel();
    this.#slots = this.#slots.filter((other) => other !== slot);
    const asked = slot.ended || slot.retired;
    if (!asked || (wasStarting && slot.failure !== undefined)) this.#died(slot, end, wasStarting);
    this.#giveBack(slot, end);
    this.#maintain();
    this.#pump();
    this.#changed();
  }

  #died(slot: Slot, end: SlotEnd, wasStarting: boolean): void {
    const how = describeEnd(end);
    const { name, failure, link } = slot;
    const why = failure ?? `it ended with '${how}'`;
    if (wasStarting) log.error('{slot} (pid {pid}) could not start: {why}', { slot: name, pid: link.pid, why });
    else log.error("{slot} (pid {pid}) exited with '{how}'.", { slot: name, pid: link.pid, how });
    if (slot.accepted === 0) this.#guard.death();
    const what = wasStarting ? 'can start' : 'lives long enough to begin a task';
    const error = new ConfigurationError(`No slot of the pool '${this.name}' ${what}: ${why}`);
    if (!this.#everUp) this.#firstFailure ??= error;
    else if (this.#guard.hopeless) this.#break(error);
  }

  #break(error: Error): void {
    this.#broken = error;
    for (const assignment of this.#queue.splice(0)) assignment.settle(lost(error.message, 0));
    this.#options.onBroken?.(error);
  }

  /** What becomes of the jobs of a slot that is gone. */
  #giveBack(slot: Slot, end: SlotEnd): void {
    const unbegun: Assignment[] = [];
    const open = slot.lanes.flatMap((assignment) => (assignment === undefined || assignment.settled ? [] : [assignment]));
    for (const assignment of open) {
      const { verdict, startedAt, runtime, seq, options } = assignment;
      if (verdict !== undefined) this.#settle(assignment, this.#stopped(assignment, verdict));
      // What does not announce itself may have begun, and is what the slot died of then.
      else if (startedAt === undefined && (options.announce === true || slot.ended) && this.#canRepeat(assignment))
        unbegun.push(assignment);
      else if (slot.ended)
        this.#settle(assignment, lost('Its slot was ended because of another task in it.', runtime, 'innocent'));
      else {
        this.#lost++;
        this.#settle(assignment, lost(lostMessage(end, seq), runtime, open.length === 1 ? 'died' : undefined));
      }
    }
    this.#requeue(unbegun);
  }

  #canRepeat(assignment: Assignment): boolean {
    assignment.misses++;
    return assignment.misses < MAX_MISSES;
  }

  #requeue(unbegun: readonly Assignment[]): void {
    this.#queue.unshift(...unbegun);
    for (const assignment of unbegun) {
      this.#open.delete(assignment.seq);
      this.#running--;
      assignment.slot = undefined;
      if (assignment.stopping !== undefined) this.#abort(assignment, assignment.stopping);
    }
  }

  /** Slots that do not begin what they were handed although they have nothing else to do. */
  #sweep(): void {
    const limit = performance.now() - ACCEPT_TIMEOUT * 1000;
    for (const slot of this.#slots) {
      const [only] = slot.lanes.filter((assignment) => assignment !== undefined);
      if (slot.taken !== 1 || only === undefined || only.settled || only.startedAt !== undefined || only.handedAt > limit)
        continue;
      log.warning('{slot} did not begin {name}[{id}] within {seconds} seconds; it is replaced, and the task goes to another.', {
        slot: slot.name,
        name: only.job.request.task,
        id: only.job.request.id,
        seconds: ACCEPT_TIMEOUT,
      });
      this.#kill(slot);
    }
  }
}

/** The task that alone runs in a slot. */
function onlyTask(slot: Slot): SlotLine['task'] {
  const [only, another] = slot.lanes.filter((assignment) => assignment !== undefined);
  if (only === undefined || another !== undefined) return undefined;
  const { task, id } = only.job.request;
  return { name: task, id };
}

function limitPassed({ request }: Job, seconds: number): TimeLimitExceededError {
  return new TimeLimitExceededError(`${request.task} ran longer than its time limit of ${seconds} s and was ended.`, { seconds });
}

/** Opens a pool of slots; resolves when the first is up. Throws ConfigurationError when none can be started. */
export async function openSlotPool(name: string, options: SlotPoolOptions, openLink: OpenLink): Promise<Pool> {
  const pool = new SlotPool(name, options, openLink);
  await pool.start();
  return pool;
}
