// A pool whose slots are processes or threads: what prefork and threads share. It hands jobs out and says of every job how it ended,
// whatever became of its slot. Its own table is the truth: a slot is believed only about jobs that it was given.
//
// A job:  queued → (waiting in a slot →) handed → accepted → settled. A slot that is gone gives back what was handed to it and not begun; what had begun is LOST,
// or what its end was meant to be (terminated, hard limit). The slots themselves are the supervisor's (supervisor.ts).
import type { Job, Outcome } from '../task/index.ts';
import { after, Condition, TaskRevokedError, TimeLimitExceededError } from '../util/index.ts';
import { Ahead } from './ahead.ts';
import { Assignment } from './assignment.ts';
import { FRAME, type Frame } from './frames.ts';
import { LARGE_FRAME, LargeFrames } from './large.ts';
import { ENDING_GRACE, type OpenLink, type SlotEnd, type SlotProgram, STOP } from './link.ts';
import { lost, lostWith } from './lost.ts';
import type { PoolDriverOptions, SlotLine } from './request.ts';
import type { Pool, PoolPowers, RunOptions } from './seam.ts';
import { hasRoom, roomiest, type Slot as SlotOf, vacate } from './slot.ts';
import type { EndOutside } from './slots.ts';
import { statisticsOf } from './statistics.ts';
import { Supervisor } from './supervisor.ts';
import { Unbegun } from './unbegun.ts';
import { abortReasonOf, readOutcome, readValue, writeJob } from './wire.ts';

/** What a pool of slots is made of. */
export interface SlotPoolOptions extends Omit<PoolDriverOptions, 'execute'> {
  readonly program: SlotProgram;
  readonly ended: EndOutside;
}

/** Seconds that a task gets to heed that it is terminated before its slot is ended. */
const DEFAULT_GRACE = 5;
/** Seconds after its abort for a job that is not terminated but interrupted; the worker itself waits little longer. */
const INTERRUPT_GRACE = 1.5;
/** Seconds after a hard limit in which a slot may still end the job itself; as long as Celery waits between TERM and KILL. */
const LIMIT_GRACE = 0.1;
/** Numbers of jobs fit a signed 32-bit integer. */
const MAX_SEQ = 0x7fff_fffe;

type Slot = SlotOf<Assignment>;

class SlotPool implements Pool {
  readonly name: string;
  readonly can: PoolPowers;
  readonly width: number;
  readonly alone?: NonNullable<Pool['alone']>;
  readonly aloneInside: boolean = false;
  readonly #options: SlotPoolOptions;
  readonly #supervisor: Supervisor<Assignment>;
  readonly #large = new LargeFrames();
  readonly #queue: Assignment[] = [];
  /** Those that are with a slot, by their number. */
  readonly #open = new Map<number, Assignment>();
  readonly #unbegun: Unbegun;
  readonly #ahead: Ahead;
  readonly #settled = new Condition();
  #limit: number;
  #running = 0;
  #done = 0;
  #lost = 0;
  #seq = 0;
  /** Which slot got the last job. */
  #last = 0;
  readonly #writes = new Map<number, number>();
  #broken: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(name: string, options: SlotPoolOptions, openLink: OpenLink) {
    this.name = name;
    this.can = { kill: true, isolate: name === 'prefork', resize: true, restart: true };
    this.width = options.width ?? 1;
    this.#options = options;
    this.#limit = options.limit;
    if (options.alone !== undefined) this.alone = options.alone;
    else if (name === 'prefork' && this.width === 1) {
      this.alone = (job, run) => this.run(job, run);
      this.aloneInside = true;
    }
    this.#supervisor = new Supervisor(name, options, openLink, {
      frame: (slot, frame) => this.#frame(slot, frame),
      begun: (slot, seq) => this.#begun(slot, seq),
      returned: (slot, seq) => this.#returned(slot, seq),
      line: (slot, stream, text) => options.onLine?.({ slot: slot.name, stream, text, task: onlyTask(slot) }),
      gone: (slot, end) => this.#gone(slot, end),
      blames: ({ lanes }) => lanes.some((assignment) => assignment?.settled === false && assignment.options.announce !== true),
      room: () => this.#pump(),
      broken: (error) => this.#break(error),
    });
    this.#ahead = new Ahead(() => this.#supervisor.slots);
    this.#unbegun = new Unbegun(this.#open, (assignment) => this.#stuck(assignment));
  }

  get limit(): number {
    return this.#limit;
  }

  get running(): number {
    return this.#running;
  }

  get ahead(): number {
    return this.#running < this.#limit ? this.#ahead.waiting : this.#ahead.room;
  }

  /** Starts the slots; resolves when the first is up, and rejects when none can be. */
  start(): Promise<void> {
    this.#supervisor.resize(this.#limit);
    return this.#supervisor.ready();
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
    this.#supervisor.resize(limit);
    this.#ahead.leave();
    this.#pump();
  }

  restart(): Promise<void> {
    return this.#supervisor.restart(() => this.#ahead.leave());
  }

  info(): Readonly<Record<string, unknown>> {
    const { slots, replaced } = this.#supervisor;
    const counts = { limit: this.#limit, width: this.width, running: this.#running };
    const queued = this.#queue.length + this.#ahead.waiting;
    return statisticsOf(
      this.name,
      slots,
      { ...counts, queued, done: this.#done, lost: this.#lost, replaced, writes: this.#writes },
      this.#options,
    );
  }

  /** Waits for what runs and lets the slots leave; whoever is in a hurry aborts the jobs first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#settled.until(() => this.#running === 0 && this.#queue.length === 0 && this.#ahead.waiting === 0);
    await this.#supervisor[Symbol.asyncDispose]();
    this.#ahead[Symbol.dispose]();
    this.#unbegun[Symbol.dispose]();
  }

  // --- to a slot ---

  #pump(): void {
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      const slot = this.#running < this.#limit ? roomiest(this.#supervisor.slots, this.#last) : undefined;
      const busy = slot === undefined && first.options.returned !== undefined ? this.#ahead.slot() : undefined;
      if (slot === undefined && busy === undefined) return;
      this.#queue.shift();
      if (slot !== undefined) this.#hand(slot, first);
      else if (busy !== undefined) this.#letWait(busy, first);
    }
    if (this.#ahead.waiting > 0)
      this.#ahead.recall(Math.min(this.#limit - this.#running, this.#supervisor.slots.filter(hasRoom).length));
  }

  #hand(slot: Slot, assignment: Assignment): void {
    this.#last = this.#supervisor.slots.indexOf(slot);
    this.#occupies(slot, assignment);
    if (this.#send(slot, assignment, false)) return;
    this.#vacate(slot, assignment.lane);
    this.#supervisor.rest(slot);
  }

  /** Sends it to a slot whose job will soon have ended. */
  #letWait(slot: Slot, assignment: Assignment): void {
    this.#ahead.put(slot, assignment);
    if (this.#send(slot, assignment, true)) return;
    this.#ahead.take(slot);
    this.#settled.changed();
  }

  /** Whether it could be written: V8 has not the stack for headers that are thousands of lists deep. Then the job is over. */
  #send(slot: Slot, assignment: Assignment, waits: boolean): boolean {
    const { seq, job, lane, options } = assignment;
    try {
      const { head, body } = writeJob(job, { lane, announce: options.announce === true, waits });
      if (body.length > LARGE_FRAME) this.#large.tell(job.request.task, 'arguments', body.length);
      slot.link.send(FRAME.job, seq, head, body);
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const outcome = lost(`The message of ${job.request.task} cannot be handed to a slot: ${why}`, 0);
      if (waits) assignment.settle(outcome);
      else this.#settle(assignment, outcome);
      return false;
    }
  }

  /** It has a lane of the slot from now on. */
  #occupies(slot: Slot, assignment: Assignment): void {
    assignment.handTo(slot);
    this.#running++;
    this.#open.set(assignment.seq, assignment);
    this.#writes.set(slot.index, (this.#writes.get(slot.index) ?? 0) + 1);
    this.#unbegun.handed();
    const { maxTasksPerChild } = this.#options;
    // Its place is taken by a slot that starts while it runs its last job.
    if (maxTasksPerChild !== undefined && slot.jobs >= maxTasksPerChild) this.#supervisor.replace(slot);
  }

  // --- from a slot ---

  #frame(slot: Slot, frame: Frame): void {
    const assignment = this.#open.get(frame.seq);
    if (frame.type === FRAME.free) this.#free(slot, frame.seq);
    else if (frame.type === FRAME.skipped) this.#returned(slot, frame.seq);
    else if (frame.type === FRAME.culprit) slot.culprit = String(readValue(frame));
    else if (assignment === undefined || assignment.slot !== slot) return;
    else if (frame.type === FRAME.accept) this.#accepted(slot, assignment);
    else if (frame.type === FRAME.ending) this.#ending(assignment);
    else if (frame.type === FRAME.done) this.#ended(slot, assignment, frame);
  }

  #accepted(slot: Slot, assignment: Assignment, at: number = performance.now()): void {
    if (assignment.startedAt !== undefined) return;
    const { job, options } = assignment;
    this.#supervisor.began(slot);
    assignment.startedAt = at;
    const { timeLimit } = job;
    if (timeLimit !== undefined && assignment.timer === undefined)
      this.#limitIn(timeLimit + LIMIT_GRACE - assignment.runtime, assignment, timeLimit);
    options.onStart?.({ pid: slot.link.pid, name: slot.name });
  }

  /** Its body is over: what is to happen then, which is not to happen twice, gets a time of its own beyond the hard limit. */
  #ending(assignment: Assignment): void {
    const { job, stopping, runtime } = assignment;
    const { timeLimit } = job;
    if (timeLimit === undefined || stopping !== undefined) return;
    assignment.timer?.cancel();
    this.#limitIn(Math.max(ENDING_GRACE, timeLimit + LIMIT_GRACE - runtime), assignment, timeLimit);
  }

  #limitIn(seconds: number, assignment: Assignment, timeLimit: number): void {
    const end = (): void => {
      if (assignment.timer === timer) this.#end(assignment, limitPassed(assignment.job, timeLimit));
    };
    // A worker that stood still reads first what its slots have said meanwhile.
    const timer = after(seconds, () => void setImmediate(end), { ref: true });
    assignment.timer = timer;
  }

  #begun(slot: Slot, seq: number): void {
    const assignment = this.#open.get(seq);
    if (assignment?.slot === slot) this.#accepted(slot, assignment, assignment.handedAt);
  }

  #ended(slot: Slot, assignment: Assignment, frame: Frame): void {
    const { outcome, left, began } = readOutcome(frame);
    if (began) this.#accepted(slot, assignment);
    if (frame.size > LARGE_FRAME) this.#large.tell(assignment.job.request.task, 'result', frame.size);
    this.#ahead.ran(assignment.job.request.task, outcome.runtime);
    this.#settle(assignment, outcome);
    if (left) this.#stays(slot, assignment);
    else this.#vacate(slot, assignment.lane);
    this.#supervisor.rest(slot);
    this.#pump();
  }

  /** The attempt is over, its body is not. A moment later nothing of it may be left. */
  #stays(slot: Slot, assignment: Assignment): void {
    this.#ahead.wantBack(slot);
    after(
      LIMIT_GRACE,
      () => {
        if (slot.state === 'gone' || slot.lanes[assignment.lane] !== assignment) return;
        if (slot.taken === 1) this.#supervisor.kill(slot);
        else {
          this.#vacate(slot, assignment.lane);
          this.#supervisor.replace(slot);
        }
      },
      { ref: true },
    );
  }

  /** What was left of an attempt is over, too. */
  #free(slot: Slot, seq: number): void {
    const lane = slot.lanes.findIndex((assignment) => assignment?.seq === seq && assignment.settled);
    if (lane === -1) return;
    this.#vacate(slot, lane);
    this.#supervisor.rest(slot);
    this.#pump();
  }

  /** The lane is free, or has the job that waited for it. */
  #vacate(slot: Slot, lane: number): void {
    vacate(slot, lane);
    const next = this.#ahead.take(slot);
    if (next === undefined) return;
    this.#occupies(slot, next);
    if (next.stopping !== undefined) this.#abort(next, next.stopping);
  }

  /** A job that waited in a slot is not run there. It may have the lane by now, and another wait behind it. */
  #returned(slot: Slot, seq: number): void {
    const promoted = this.#open.get(seq);
    if (slot.next?.seq === seq) this.#back(this.#ahead.take(slot));
    else if (promoted?.slot === slot && promoted.startedAt === undefined) {
      this.#open.delete(seq);
      this.#running--;
      this.#vacate(slot, promoted.lane);
      this.#back(promoted);
      this.#supervisor.rest(slot);
    }
    this.#pump();
  }

  /** It is its caller's again, unless it has to stop. */
  #back(assignment: Assignment | undefined): void {
    if (assignment === undefined) return;
    const { stopping, options } = assignment;
    assignment.slot = undefined;
    if (stopping === undefined) {
      assignment.leave();
      options.returned?.();
    } else assignment.settle(this.#stopped(assignment, stopping));
    this.#settled.changed();
  }

  #settle(assignment: Assignment, outcome: Outcome | Promise<Outcome>): void {
    if (assignment.settled) return;
    this.#open.delete(assignment.seq);
    this.#running--;
    this.#done++;
    assignment.settle(outcome);
    this.#settled.changed();
  }

  // --- ends from outside ---

  #stuck(assignment: Assignment): void {
    assignment.stuck = true;
    if (assignment.slot !== undefined) this.#supervisor.kill(assignment.slot);
  }

  #abort(assignment: Assignment, error: Error): void {
    assignment.stopping = error;
    const { slot } = assignment;
    if (slot === undefined) {
      const at = this.#queue.indexOf(assignment);
      if (at !== -1) this.#queue.splice(at, 1);
      assignment.settle(this.#stopped(assignment, error));
      this.#settled.changed();
      return;
    }
    if (slot.next === assignment) {
      this.#ahead.wantBack(slot);
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
    this.#supervisor.kill(assignment.slot);
  }

  /** What is said of a job that was stopped from outside. */
  #stopped(assignment: Assignment, reason: Error): Outcome | Promise<Outcome> {
    const { job, runtime } = assignment;
    const told = reason instanceof TaskRevokedError || reason instanceof TimeLimitExceededError;
    return told ? this.#options.ended(job, reason, runtime) : lost(reason.message, runtime);
  }

  // --- lost slots ---

  #gone(slot: Slot, end: SlotEnd): void {
    const open = slot.lanes.flatMap((assignment) => (assignment === undefined || assignment.settled ? [] : [assignment]));
    const unbegun: Assignment[] = [];
    for (const assignment of open) {
      const { verdict } = assignment;
      if (verdict !== undefined) this.#settle(assignment, this.#stopped(assignment, verdict));
      else if (assignment.tryElsewhere()) unbegun.push(assignment);
      else {
        if (!slot.ended) this.#lost++;
        this.#settle(assignment, lostWith(slot, end, assignment, { alone: open.length === 1 }));
      }
    }
    this.#requeue(unbegun);
    this.#back(this.#ahead.take(slot));
  }

  #requeue(unbegun: readonly Assignment[]): void {
    if (this.#broken !== undefined) {
      for (const assignment of unbegun) this.#settle(assignment, lost(this.#broken.message, 0));
      return;
    }
    this.#queue.unshift(...unbegun);
    for (const assignment of unbegun) {
      this.#open.delete(assignment.seq);
      this.#running--;
      assignment.slot = undefined;
      if (assignment.stopping !== undefined) this.#abort(assignment, assignment.stopping);
    }
  }

  #break(error: Error): void {
    this.#broken = error;
    for (const assignment of this.#queue.splice(0)) assignment.settle(lost(error.message, 0));
    this.#settled.changed();
    this.#options.onBroken?.(error);
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
  try {
    await pool.start();
    return pool;
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw error;
  }
}
