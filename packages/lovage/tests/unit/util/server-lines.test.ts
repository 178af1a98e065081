// Lines of one process to one server: when one is silent, a new line tells whether the server is, and the others are asked.
import { expect, test } from 'vitest';
import { createServerLines, type ServerLine, type ServerLines } from '../../../src/util/server-lines.ts';

const SERVER = 'redis:here:6379';

/** A line to a server that answers it, or that a router has forgotten. */
class Fake implements ServerLine {
  received = 100;
  asked = 0;
  isExcused = false;
  reason: Error | undefined;
  readonly #isDead: boolean;

  constructor(isDead: boolean) {
    this.#isDead = isDead;
  }

  ask(): void {
    this.asked++;
    if (!this.#isDead) this.received += 7;
  }

  cut(reason: Error): void {
    this.reason = reason;
  }
}

interface Setup {
  readonly lines: ServerLines;
  readonly alive: Fake;
  readonly dead: Fake;
  /** Knocks so far. */
  knocks: number;
  /** The server answers. */
  readonly opens: () => Promise<void>;
}

function setup(): Setup {
  const lines = createServerLines(0);
  const [alive, dead] = [new Fake(false), new Fake(true)];
  for (const line of [alive, dead]) lines.join(SERVER, line);
  const all: Setup = {
    lines,
    alive,
    dead,
    knocks: 0,
    opens: async () => {
      all.knocks++;
    },
  };
  return all;
}

const fails = (): Promise<void> => Promise.reject(new Error('no answer'));

test('lines that stay silent while a new one is answered are cut, and those that answer are not', async () => {
  const { lines, alive, dead, opens } = setup();
  const other = new Fake(true);
  lines.join(SERVER, other);
  expect(await lines.suspect(SERVER, opens)).toBe(2);
  expect(dead.reason?.message).toMatch(/answers a new connection/);
  expect(other.reason).toBeDefined();
  expect(alive.reason).toBeUndefined();
});

test('a server that does not answer a new line either is only slow: nothing is cut', async () => {
  const { lines, dead } = setup();
  expect(await lines.suspect(SERVER, fails)).toBe(0);
  expect(dead.reason).toBeUndefined();
});

test('lines that are suspicious at the same time share one look', async () => {
  const all = setup();
  const { lines, opens } = all;
  expect(await Promise.all([lines.suspect(SERVER, opens), lines.gaveUp(SERVER, opens)])).toEqual([1, 1]);
  expect([all.knocks, all.dead.asked]).toEqual([1, 1]);
});

test('a server that was slow is not suspected again at once, but a line that was given up is reason enough to look', async () => {
  const all = setup();
  await all.lines.suspect(SERVER, fails);
  expect(await all.lines.suspect(SERVER, all.opens)).toBe(0);
  expect(all.knocks).toBe(0);
  expect(await all.lines.gaveUp(SERVER, all.opens)).toBe(1);
  expect(all.knocks).toBe(1);
});

test('a line whose silence has another reason is left alone', async () => {
  const { lines, dead, opens } = setup();
  dead.isExcused = true;
  expect(await lines.suspect(SERVER, opens)).toBe(0);
  expect(dead.reason).toBeUndefined();
});

test('lines to other servers are not asked', async () => {
  const { lines, opens } = setup();
  const elsewhere = new Fake(true);
  lines.join('redis:there:6379', elsewhere);
  await lines.suspect(SERVER, opens);
  expect(elsewhere).toMatchObject({ asked: 0, reason: undefined });
});

test('a line that ended meanwhile is not cut, and one that came meanwhile has nothing to answer for', async () => {
  const { lines, opens } = setup();
  const [leaving, coming] = [new Fake(true), new Fake(true)];
  const leave = lines.join(SERVER, leaving);
  await lines.suspect(SERVER, async () => {
    leave();
    lines.join(SERVER, coming);
    await opens();
  });
  expect([leaving.reason, coming.reason]).toEqual([undefined, undefined]);
});

test('without lines there is nothing to look at', async () => {
  const lines = createServerLines(0);
  lines.join(SERVER, new Fake(true))();
  expect(await lines.gaveUp(SERVER, fails)).toBe(0);
});
