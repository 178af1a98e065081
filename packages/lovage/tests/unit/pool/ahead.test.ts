// Jobs that wait in a slot that is busy. The slots here do what the test says.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FRAME, FrameReader, FrameWriter, Inside, type Pool, writeValue } from '../../../src/pool/index.ts';
import { claim, flagBytes, type LinkEvents, type OpenLink, unclaim } from '../../../src/pool/link.ts';
import { openSlotPool } from '../../../src/pool/slot-pool.ts';
import { readJob, writeJob, writeOutcome } from '../../../src/pool/wire.ts';
import type { Outcome } from '../../../src/task/index.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { never, program } from './puppets.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A slot: what it was sent and has not ended, oldest first. */
class Hand {
  readonly jobs: { readonly seq: number; readonly id: string; readonly waits: boolean }[] = [];
  readonly wanted: number[] = [];
  readonly stopped: number[] = [];
  readonly events: LinkEvents;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  say(write: (writer: FrameWriter) => void): void {
    const reader = new FrameReader((frame) => this.events.frame(frame));
    const writer = new FrameWriter((bytes) => {
      reader.push(Buffer.from(bytes));
      return false;
    });
    write(writer);
    writer.flush();
  }

  /** Its oldest job has ended. */
  end(runtime = 0.001): void {
    const { seq = 0 } = this.jobs.shift() ?? {};
    const { head, body } = writeOutcome(outcomeOf('SUCCESS', { runtime }), { left: false, began: true });
    this.say((writer) => writer.send(FRAME.done, seq, head, body));
  }

  /** It gives back the job of that number, by the way of the watchdog. */
  giveBack(seq: number): void {
    this.jobs.splice(
      this.jobs.findIndex((job) => job.seq === seq),
      1,
    );
    this.events.returned(seq);
  }

  get ids(): readonly string[] {
    return this.jobs.map(({ id }) => id);
  }
}

function hands(): { readonly slots: Hand[]; readonly open: OpenLink } {
  const slots: Hand[] = [];
  const open: OpenLink = (_, events) => {
    const hand = new Hand(events);
    slots.push(hand);
    queueMicrotask(() => hand.say((writer) => writer.send(FRAME.up, 0, writeValue({ tasks: [] }))));
    return {
      pid: slots.length,
      send: (type, seq, head = '', body) => {
        if (type === FRAME.leave) queueMicrotask(() => events.gone({ code: 0, signal: null }));
        if (type !== FRAME.job) return;
        const reader = new FrameReader((frame) => {
          const { job, waits } = readJob(frame);
          hand.jobs.push({ seq, id: job.request.id, waits });
        });
        const writer = new FrameWriter((bytes) => {
          reader.push(Buffer.from(bytes));
          return false;
        });
        writer.send(type, seq, head, body);
        writer.flush();
      },
      stop: (_lane, seq) => void hand.stopped.push(seq),
      ask: () => undefined,
      takeBack: (_lane, seq) => void hand.wanted.push(seq),
      kill: () => events.gone({ code: null, signal: 'SIGKILL' }),
    };
  };
  return { slots, open };
}

interface Sent {
  readonly outcome: Promise<Outcome>;
  readonly returned: ReturnType<typeof vi.fn<() => void>>;
}

function send(pool: Pool, id: string, signal: AbortSignal = never): Sent {
  const returned = vi.fn<() => void>();
  return { outcome: Promise.resolve(pool.run(jobOf(id), { signal, returned })), returned };
}

/** A pool with that many slots whose tasks have been short. */
async function quick(limit: number): Promise<{ readonly pool: Pool; readonly slots: readonly Hand[] }> {
  const { slots, open } = hands();
  const pool = await openSlotPool('prefork', { limit, program, ended: async () => outcomeOf('REVOKED') }, open);
  await vi.advanceTimersByTimeAsync(0);
  for (let run = 0; run < 30; run++) {
    const { outcome } = send(pool, `warm-${run}`);
    for (const slot of slots) if (slot.jobs.length > 0) slot.end();
    await outcome;
  }
  return { pool, slots };
}

const only = ([slot]: readonly Hand[]): Hand => {
  if (slot === undefined) throw new Error('There is no slot.');
  return slot;
};

describe('a job beyond the limit', () => {
  it('waits in a slot whose task has been short lately, and has its lane when that ends', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    expect(pool.ahead).toBe(0);
    const first = send(pool, 'first');
    expect(pool.ahead).toBe(1);
    const second = send(pool, 'second');
    const third = send(pool, 'third');
    expect(slot.jobs.map(({ id, waits }) => [id, waits])).toEqual([
      ['first', false],
      ['second', true],
    ]);
    expect([pool.running, pool.ahead]).toEqual([1, 1]);
    slot.end();
    expect(await first.outcome).toMatchObject({ state: 'SUCCESS' });
    expect(slot.ids).toEqual(['second', 'third']);
    slot.end();
    slot.end();
    expect(await Promise.all([second.outcome, third.outcome])).toMatchObject([{ state: 'SUCCESS' }, { state: 'SUCCESS' }]);
    expect([pool.running, pool.ahead]).toEqual([0, 0]);
    await pool[Symbol.asyncDispose]();
  });

  it('waits in the pool while nothing is known of the tasks', async () => {
    const { slots, open } = hands();
    const pool = await openSlotPool('prefork', { limit: 1, program, ended: async () => outcomeOf('REVOKED') }, open);
    await vi.advanceTimersByTimeAsync(0);
    const slot = only(slots);
    const both = [send(pool, 'first'), send(pool, 'second')];
    expect([slot.ids, pool.ahead]).toEqual([['first'], 0]);
    slot.end();
    slot.end();
    await Promise.all(both.map(({ outcome }) => outcome));
    await pool[Symbol.asyncDispose]();
  });

  it('waits in the pool when tasks were long, and when its caller cannot have it back', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const first = send(pool, 'first');
    const second = pool.run(jobOf('second'), { signal: never });
    expect(slot.ids).toEqual(['first']);
    slot.end(10);
    expect(slot.ids).toEqual(['second']);
    const third = send(pool, 'third');
    expect([slot.ids, pool.ahead]).toEqual([['second'], 0]);
    slot.end();
    slot.end();
    await Promise.all([first.outcome, second, third.outcome]);
    await pool[Symbol.asyncDispose]();
  });

  it('goes to a free slot rather than to a busy one', async () => {
    const { pool, slots } = await quick(2);
    const all = ['a', 'b', 'c', 'd'].map((id) => send(pool, id));
    expect(slots.map(({ jobs }) => jobs.map(({ waits }) => waits))).toEqual([
      [false, true],
      [false, true],
    ]);
    for (const slot of slots) for (const _ of [...slot.jobs]) slot.end();
    await Promise.all(all.map(({ outcome }) => outcome));
    await pool[Symbol.asyncDispose]();
  });

  it('is wanted back when the one before it turns out long, and is its caller’s again', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const long = send(pool, 'long');
    const short = send(pool, 'short');
    expect(slot.wanted).toEqual([]);
    await vi.advanceTimersByTimeAsync(50);
    const [, waiting] = slot.jobs;
    expect(slot.wanted).toContain(waiting?.seq);
    slot.giveBack(waiting?.seq ?? 0);
    expect(short.returned).toHaveBeenCalledOnce();
    expect([pool.running, slot.ids]).toEqual([1, ['long']]);
    slot.end();
    await long.outcome;
    await pool[Symbol.asyncDispose]();
  });

  it('does not wait behind the same one again once it was given back', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const long = send(pool, 'long');
    const short = send(pool, 'short');
    await vi.advanceTimersByTimeAsync(50);
    slot.giveBack(slot.jobs[1]?.seq ?? 0);
    expect(short.returned).toHaveBeenCalledOnce();
    expect(pool.ahead).toBe(0);
    const again = send(pool, 'again');
    await vi.advanceTimersByTimeAsync(1000);
    expect(slot.ids).toEqual(['long']);
    slot.end();
    expect(slot.ids).toEqual(['again']);
    slot.end();
    expect(await Promise.all([long.outcome, again.outcome])).toHaveLength(2);
    expect(again.returned).not.toHaveBeenCalled();
    await pool[Symbol.asyncDispose]();
  });

  it('is wanted back at once, and once, when another slot is free, from behind what has run longest', async () => {
    const { pool, slots } = await quick(3);
    const [one, two, three] = slots as readonly [Hand, Hand, Hand];
    const jobs: Sent[] = [];
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
      await vi.advanceTimersByTimeAsync(1);
      jobs.push(send(pool, id));
    }
    const waiting = slots.map(({ jobs: [, next] }) => next?.seq ?? 0);
    const [longest, other, last] = [...slots].sort((a, b) => (a.ids[0] ?? '').localeCompare(b.ids[0] ?? '')) as [
      Hand,
      Hand,
      Hand,
    ];
    expect(longest.ids[0]).toBe('a');
    expect([one, two, three].map(({ wanted }) => wanted)).toEqual([[], [], []]);
    last.end();
    expect([longest.wanted, other.wanted]).toEqual([[], []]);
    last.end();
    const wanted = waiting[slots.indexOf(longest)] ?? 0;
    expect([longest.wanted, other.wanted]).toEqual([[wanted], []]);
    // Asked again by nobody, and the slot that is free gets it.
    const more = send(pool, 'g');
    last.end();
    expect([longest.wanted, other.wanted]).toEqual([[wanted], []]);
    longest.giveBack(wanted);
    expect(jobs.filter(({ returned }) => returned.mock.calls.length > 0)).toHaveLength(1);
    for (const slot of slots) for (const _ of [...slot.jobs]) slot.end();
    await Promise.all([
      more.outcome,
      ...jobs.filter(({ returned }) => returned.mock.calls.length === 0).map(({ outcome }) => outcome),
    ]);
    expect([pool.running, pool.ahead]).toEqual([0, 0]);
    await pool[Symbol.asyncDispose]();
  });

  it('is wanted back when its slot is to be replaced, and runs in the new one', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const first = send(pool, 'first');
    const second = send(pool, 'second');
    const { seq = 0 } = slot.jobs[1] ?? {};
    const restarted = pool.restart?.();
    expect(slot.wanted).toEqual([]);
    // The first of the new ones comes up.
    await vi.advanceTimersByTimeAsync(0);
    expect(slot.wanted).toEqual([seq]);
    slot.giveBack(seq);
    expect(second.returned).toHaveBeenCalledOnce();
    slot.end();
    await Promise.all([first.outcome, restarted]);
    const again = send(pool, 'second');
    expect(slots[1]?.ids).toEqual(['second']);
    slots[1]?.end();
    expect(await again.outcome).toMatchObject({ state: 'SUCCESS' });
    await pool[Symbol.asyncDispose]();
  });

  it('may be given back when it had the lane by then, and the one behind it has it', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const first = send(pool, 'first');
    const second = send(pool, 'second');
    const { seq = 0 } = slot.jobs[1] ?? {};
    slot.end();
    const third = send(pool, 'third');
    slot.giveBack(seq);
    // The slot says so once more when it comes to it.
    slot.say((writer) => writer.send(FRAME.skipped, seq));
    expect(second.returned).toHaveBeenCalledOnce();
    expect([pool.running, slot.ids]).toEqual([1, ['third']]);
    slot.end();
    expect(await Promise.all([first.outcome, third.outcome])).toHaveLength(2);
    expect(pool.running).toBe(0);
    await pool[Symbol.asyncDispose]();
  });

  it('is its caller’s again when the slot dies, and nothing is said against it', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const first = send(pool, 'first');
    const second = send(pool, 'second');
    slot.events.gone({ code: null, signal: 'SIGSEGV' });
    expect(await first.outcome).toMatchObject({ state: 'LOST', died: true });
    expect(second.returned).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1000);
    await pool[Symbol.asyncDispose]();
  });

  it('ends unrun when it is stopped in time, and is stopped like any other when it was not', async () => {
    const { pool, slots } = await quick(1);
    const slot = only(slots);
    const [early, late] = [new AbortController(), new AbortController()];
    const first = send(pool, 'first');
    const second = send(pool, 'second', early.signal);
    const { seq = 0 } = slot.jobs[1] ?? {};
    early.abort(new Error('enough'));
    expect(slot.wanted).toEqual([seq]);
    slot.giveBack(seq);
    expect(await second.outcome).toMatchObject({ state: 'LOST', repr: 'enough' });
    expect(second.returned).not.toHaveBeenCalled();
    const third = send(pool, 'third', late.signal);
    const { seq: lateSeq } = slot.jobs[1] ?? {};
    late.abort(new Error('enough'));
    slot.end();
    expect(slot.stopped).toEqual([lateSeq]);
    slot.end();
    expect(await Promise.all([first.outcome, third.outcome])).toHaveLength(2);
    await pool[Symbol.asyncDispose]();
  });
});

describe('whose it is', () => {
  const flags = (): Int32Array => new Int32Array(new SharedArrayBuffer(flagBytes(1)));

  it('says whoever asks first', () => {
    const shared = flags();
    expect([claim(shared, 0, 5), unclaim(shared, 0, 5)]).toEqual([true, false]);
    expect([unclaim(shared, 0, 6), claim(shared, 0, 6)]).toEqual([true, false]);
    expect([claim(shared, 0, 9), unclaim(shared, 0, 6)]).toEqual([true, false]);
  });

  it('is known of several that were taken back, and when the numbers begin anew', () => {
    const shared = flags();
    expect([unclaim(shared, 0, 0x7fff_fffd), unclaim(shared, 0, 0x7fff_fffe)]).toEqual([true, true]);
    expect([claim(shared, 0, 0x7fff_fffd), claim(shared, 0, 0x7fff_fffe)]).toEqual([false, false]);
    expect([claim(shared, 0, 1), unclaim(shared, 0, 2), claim(shared, 0, 2)]).toEqual([true, true, false]);
  });
});

describe('inside a slot, a job that waits', () => {
  function inside(written?: () => Promise<void> | undefined): {
    readonly run: (seq: number, id: string) => void;
    readonly end: (id: string) => void;
    readonly said: string[];
    readonly flags: Int32Array;
  } {
    const said: string[] = [];
    const gates = new Map<string, (outcome: Outcome) => void>();
    const flags = new Int32Array(new SharedArrayBuffer(flagBytes(1)));
    const slot = new Inside({
      execute: ({ request: { id } }) => {
        said.push(`runs ${id}`);
        return new Promise((resolve) => gates.set(id, resolve));
      },
      send: (type, seq) => void said.push(`${type === FRAME.done ? 'done' : 'skipped'} ${seq}`),
      flush: () => void said.push('flush'),
      written,
      place: { pid: 1, name: 'slot' },
      flags,
      leave: () => undefined,
    });
    const reader = new FrameReader((frame) => slot.receive(frame));
    const run = (seq: number, id: string): void => {
      const writer = new FrameWriter((bytes) => {
        reader.push(Buffer.from(bytes));
        return false;
      });
      const { head, body } = writeJob(jobOf(id), { lane: 0, announce: false, waits: seq > 1 });
      writer.send(FRAME.job, seq, head, body);
      writer.flush();
    };
    return { run, end: (id) => gates.get(id)?.(outcomeOf('SUCCESS')), said, flags };
  }

  it('begins when the one before it has ended and that is written', async () => {
    const { run, end, said } = inside();
    run(1, 'a');
    run(2, 'b');
    expect(said).toEqual(['runs a']);
    end('a');
    await vi.advanceTimersByTimeAsync(0);
    expect(said).toEqual(['runs a', 'done 1', 'flush', 'runs b']);
  });

  it('does not begin while the end of the one before is on its way, nor does one behind it', async () => {
    const line = Promise.withResolvers<void>();
    const { run, end, said } = inside(() => line.promise);
    run(1, 'a');
    run(2, 'b');
    end('a');
    await vi.advanceTimersByTimeAsync(0);
    run(3, 'c');
    expect(said).toEqual(['runs a', 'done 1', 'flush']);
    line.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(said.slice(3)).toEqual(['runs b']);
    end('b');
    await vi.advanceTimersByTimeAsync(0);
    expect(said.slice(4)).toEqual(['done 2', 'flush', 'runs c']);
  });

  it('is skipped once it was taken back', async () => {
    const { run, end, said, flags } = inside();
    run(1, 'a');
    run(2, 'b');
    expect(unclaim(flags, 0, 2)).toBe(true);
    end('a');
    await vi.advanceTimersByTimeAsync(0);
    run(3, 'c');
    expect(said).toEqual(['runs a', 'done 1', 'skipped 2', 'flush', 'runs c']);
  });
});
