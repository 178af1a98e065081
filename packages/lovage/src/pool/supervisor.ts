// Keeps the slots of a pool: as many as are wanted, and another in the place of each that is worn, too large or gone. Of jobs it knows only
// how many a slot has.
//
// A slot:  starting → up → leaving → gone (slot.ts). A retired one gets no more jobs and leaves when it has none; a killed one is ended at
// once. One that is gone and was neither has died: then the next waits longer and longer, until there is no point in it (storm.ts).
import { after, Condition, ConfigurationError, logger, type Timer } from '../util/index.ts';
import { FRAME, type Frame } from './frames.ts';
import type { LinkEvents, OpenLink, OutputStream, SlotEnd, SlotProgram } from './link.ts';
import { describeEnd } from './lost.ts';
import type { PoolRequest } from './request.ts';
import { byIdleness, type Slot, slotOf } from './slot.ts';
import { StormGuard } from './storm.ts';
import { readValue } from './wire.ts';

const log = logger('pool');

/** Seconds that a slot may take to start, unless it is said. */
const START_TIMEOUT = 30;
/** Seconds that a slot may take to leave. */
const EXIT_TIMEOUT = 5;

/** What the slots of a pool are. */
export interface SlotsOptions
  extends Pick<PoolRequest, 'width' | 'spare' | 'maxMemoryPerChild' | 'startTimeout' | 'beforeStart' | 'onUp'> {
  readonly program: SlotProgram;
}

/** Whom the supervisor tells: it puts jobs into the slots. */
export interface SlotsOwner<Occupant> {
  /** A slot says something about a job. */
  frame(slot: Slot<Occupant>, frame: Frame): void;
  /** The task of a job that it was asked about has begun. */
  begun(slot: Slot<Occupant>, seq: number): void;
  /** A job that waited in a slot was taken back. */
  returned(slot: Slot<Occupant>, seq: number): void;
  line(slot: Slot<Occupant>, stream: OutputStream, text: string): void;
  /** A slot is gone, with what it holds. */
  gone(slot: Slot<Occupant>, end: SlotEnd): void;
  /** Had it a job that may have begun there, and that it may have died of? */
  blames(slot: Slot<Occupant>): boolean;
  /** A job may find a place now. */
  room(): void;
  /** No slots are started any more. */
  broken(error: Error): void;
}

export class Supervisor<Occupant> implements AsyncDisposable {
  readonly #name: string;
  readonly #options: SlotsOptions;
  readonly #openLink: OpenLink;
  readonly #owner: SlotsOwner<Occupant>;
  readonly #guard = new StormGuard();
  readonly #condition = new Condition();
  #slots: readonly Slot<Occupant>[] = [];
  #wanted = 0;
  #replaced = 0;
  #retry: Timer | undefined;
  /** Started before a restart, to see that its slots can start: one more than are wanted. */
  #trial: Slot<Occupant> | undefined;
  #everUp = false;
  /** Why the first slots did not start. */
  #firstFailure: Error | undefined;
  #isBroken = false;
  #isLeaving = false;
  /** It was said that slots use more memory than they may before they have done anything. */
  #isTight = false;

  constructor(name: string, options: SlotsOptions, openLink: OpenLink, owner: SlotsOwner<Occupant>) {
    this.#name = name;
    this.#options = options;
    this.#openLink = openLink;
    this.#owner = owner;
  }

  /** Those that are not gone. */
  get slots(): readonly Slot<Occupant>[] {
    return this.#slots;
  }

  /** Slots that were retired so far. */
  get replaced(): number {
    return this.#replaced;
  }

  /** As many slots as so many jobs at once need: what is missing starts, what is too many goes. */
  resize(limit: number): void {
    const { width = 1, spare = 0 } = this.#options;
    this.#wanted = Math.ceil(limit / width) + spare;
    this.#maintain();
  }

  /** Resolves when the first slot is up; rejects when none can be started. */
  async ready(): Promise<void> {
    await this.#condition.until(() => this.#everUp || this.#firstFailure !== undefined);
    if (this.#firstFailure !== undefined) throw this.#firstFailure;
  }

  /**
   * A new slot in the place of each; resolves when they are up. One starts first, beside the others: code that cannot start must not cost
   * the slots that work. Rejects then, and they stay. `begun` is called when the old ones get no more jobs.
   */
  async restart(begun: () => void): Promise<void> {
    // Several may have waited for the same moment.
    while (this.#trial !== undefined && !this.#isOver)
      await this.#condition.until(() => this.#trial === undefined || this.#isOver);
    if (this.#isOver) return;
    const trial = this.#open();
    this.#trial = trial;
    await this.#condition.until(() => trial.state !== 'starting');
    this.#trial = undefined;
    this.#condition.changed();
    if (this.#isOver) return;
    if (trial.state === 'gone')
      throw new ConfigurationError(
        `The slots stay as they are, because a new one could not start: ${trial.failure ?? 'it ended'}. Mend the program, and restart the pool again.`,
      );
    const old = this.#slots.filter((slot) => slot !== trial);
    for (const slot of old) this.#retire(slot);
    this.#maintain();
    begun();
    const wanted = this.#wanted;
    const isNew = (slot: Slot<Occupant>): boolean => slot.state === 'up' && !old.includes(slot);
    await this.#condition.until(() => this.#isOver || this.#slots.filter(isNew).length >= Math.min(wanted, this.#wanted));
  }

  /** Does it start no slots any more? */
  get #isOver(): boolean {
    return this.#isBroken || this.#isLeaving;
  }

  /** No more jobs for this one; another starts now. */
  replace(slot: Slot<Occupant>): void {
    this.#retire(slot);
    this.#maintain();
  }

  /** Ends it now, whatever runs there. */
  kill(slot: Slot<Occupant>): void {
    slot.ended = true;
    slot.retired = true;
    slot.link.kill();
    this.#maintain();
  }

  /** A task has begun in it: slots work. */
  began(slot: Slot<Occupant>): void {
    slot.accepted++;
    this.#guard.calm();
  }

  /** It has a job less. */
  rest(slot: Slot<Occupant>): void {
    if (slot.taken === 0 && slot.retired) this.#leave(slot);
  }

  /** Lets the slots leave, each when it has no job. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLeaving = true;
    this.#retry?.cancel();
    for (const slot of this.#slots) this.#retire(slot);
    await this.#condition.until(() => this.#slots.length === 0);
  }

  // --- how many ---

  #maintain(): void {
    if (this.#isOver) return;
    const staying = this.#staying;
    const missing = this.#wanted - staying.length;
    if (missing > 0) this.#startSoon(missing);
    else for (const slot of staying.toSorted(byIdleness).slice(0, -missing)) this.#retire(slot);
  }

  get #staying(): readonly Slot<Occupant>[] {
    return this.#slots.filter((slot) => !slot.retired && slot !== this.#trial);
  }

  #startSoon(count: number): void {
    const { delay } = this.#guard;
    if (delay === 0) {
      for (let started = 0; started < count && this.#guard.delay === 0; started++) this.#start();
      return;
    }
    this.#retry ??= after(
      delay,
      () => {
        this.#retry = undefined;
        // One that lives shows that the others will.
        if (this.#staying.length < this.#wanted && !this.#isLeaving) this.#start();
      },
      { ref: true },
    );
  }

  #retire(slot: Slot<Occupant>): void {
    if (slot.retired) return;
    slot.retired = true;
    this.#replaced++;
    if (slot.state === 'starting') this.kill(slot);
    else if (slot.taken === 0) this.#leave(slot);
  }

  // --- one slot, from its start to its end ---

  #start(): void {
    try {
      this.#open();
    } catch (error) {
      this.#refused(error);
    }
  }

  #open(): Slot<Occupant> {
    const { program, width = 1, maxMemoryPerChild, beforeStart, startTimeout = START_TIMEOUT } = this.#options;
    const index = this.#freeIndex();
    const name = `${this.#name}-${index}`;
    beforeStart?.();
    const events: LinkEvents = {
      frame: (frame) => this.#frame(slot, frame),
      line: (stream, text) => this.#owner.line(slot, stream, text),
      begun: (seq) => this.#owner.begun(slot, seq),
      returned: (seq) => this.#owner.returned(slot, seq),
      memory: (kib) => this.#memory(slot, kib),
      gone: (end) => this.#gone(slot, end),
    };
    const link = this.#openLink({ name, index, program, width, watchMemory: maxMemoryPerChild !== undefined }, events);
    const slot: Slot<Occupant> = slotOf(link, { name, index, width });
    this.#slots = [...this.#slots, slot];
    slot.timer = after(startTimeout, () => this.#late(slot, startTimeout), { ref: true });
    return slot;
  }

  /** The system has no process or thread to spare, or not the memory for one. It may have later. */
  #refused(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    log.error('A slot of the pool {pool} could not start: {why}', { pool: this.#name, why });
    this.#guard.death();
    this.#giveUp('can start', why);
    this.#maintain();
    this.#condition.changed();
  }

  #freeIndex(): number {
    const used = new Set(this.#slots.map(({ index }) => index));
    let index = 1;
    while (used.has(index)) index++;
    return index;
  }

  #late(slot: Slot<Occupant>, seconds: number): void {
    slot.failure = `it was not ready within ${seconds} seconds (setting workerProcAliveTimeout)`;
    slot.link.kill();
  }

  #frame(slot: Slot<Occupant>, frame: Frame): void {
    if (frame.type === FRAME.up) this.#up(slot, frame);
    else if (frame.type === FRAME.failed) slot.failure = String((readValue(frame) as { readonly message: unknown }).message);
    else this.#owner.frame(slot, frame);
  }

  #up(slot: Slot<Occupant>, frame: Frame): void {
    if (slot.state !== 'starting') return;
    this.#options.onUp?.(slot.name, (readValue(frame) as { readonly tasks: readonly string[] }).tasks);
    slot.state = 'up';
    slot.timer?.cancel();
    this.#everUp = true;
    if (slot.retired) this.#leave(slot);
    this.#owner.room();
    // Where others still wait for one that lives.
    this.#maintain();
    this.#condition.changed();
  }

  #memory(slot: Slot<Occupant>, kib: number): void {
    const { maxMemoryPerChild } = this.#options;
    if (maxMemoryPerChild === undefined || kib <= maxMemoryPerChild || slot.retired) return;
    if (slot.jobs === 0) {
      // Another would use as much: it gets its job first.
      if (!this.#isTight)
        log.warning(
          '{slot} uses {kib} KiB before its first task, more than maxMemoryPerChild ({limit}), so that each slot is replaced after one task. Raise the limit.',
          { slot: slot.name, kib, limit: maxMemoryPerChild },
        );
      this.#isTight = true;
      return;
    }
    log.info('{slot} uses {kib} KiB, more than maxMemoryPerChild; it is replaced after its task.', { slot: slot.name, kib });
    this.replace(slot);
  }

  #leave(slot: Slot<Occupant>): void {
    if (slot.state !== 'up') return;
    slot.state = 'leaving';
    slot.link.send(FRAME.leave, 0);
    slot.timer = after(EXIT_TIMEOUT, () => this.kill(slot), { ref: true });
  }

  #gone(slot: Slot<Occupant>, end: SlotEnd): void {
    const wasStarting = slot.state === 'starting';
    slot.state = 'gone';
    slot.timer?.cancel();
    this.#slots = this.#slots.filter((other) => other !== slot);
    if (slot === this.#trial) slot.failure ??= `it ended with '${describeEnd(end)}'`;
    else if (!slot.retired || (wasStarting && slot.failure !== undefined)) this.#died(slot, end, wasStarting);
    this.#owner.gone(slot, end);
    this.#maintain();
    this.#owner.room();
    this.#condition.changed();
  }

  #died(slot: Slot<Occupant>, end: SlotEnd, wasStarting: boolean): void {
    const { name, failure, link, accepted } = slot;
    const how = describeEnd(end);
    const why = failure ?? `it ended with '${how}'`;
    if (wasStarting) log.error('{slot} (pid {pid}) could not start: {why}', { slot: name, pid: link.pid, why });
    else log.error("{slot} (pid {pid}) exited with '{how}'.", { slot: name, pid: link.pid, how });
    if (accepted === 0 && !this.#owner.blames(slot)) this.#guard.death();
    this.#giveUp(wasStarting ? 'can start' : 'lives long enough to begin a task', why);
  }

  /** Is there no point in another? */
  #giveUp(what: string, why: string): void {
    const error = new ConfigurationError(`No slot of the pool '${this.#name}' ${what}: ${why}`);
    if (!this.#everUp) this.#firstFailure ??= error;
    else if (this.#guard.hopeless) {
      this.#isBroken = true;
      this.#owner.broken(error);
    }
  }
}
