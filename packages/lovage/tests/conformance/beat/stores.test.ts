// What a schedule store does, over every store.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openStore } from '../../../src/beat/drivers.ts';
import { NO_LEASE, type ScheduleStore } from '../../../src/beat/store.ts';
import { uuid } from '../../../src/util/index.ts';
import { connectSql, sqlPlace } from '../../../src/util/sql-connect.ts';
import { startSql, stopAll, stores } from './places.ts';

beforeAll(startSql);
afterAll(stopAll);

describe.each(Object.entries(stores))('%s', (_, url) => {
  const opened = (address: string, appName: string): Promise<ScheduleStore> =>
    openStore({ url: address, appName, connectTimeout: 5, patience: 10, transportOptions: {} });

  async function two(): Promise<{ one: ScheduleStore; other: ScheduleStore } & AsyncDisposable> {
    const address = url();
    const app = `app ${uuid()}`;
    const [one, other] = await Promise.all([opened(address, app), opened(address, app)]);
    return {
      one,
      other,
      [Symbol.asyncDispose]: async () => {
        await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
      },
    };
  }

  it('gives the lease to one of those who want it', async () => {
    await using s = await two();
    expect(await s.one.look()).toEqual({ lease: NO_LEASE, edits: 0 });
    const mine = { token: 1, owner: 'one', beat: 0 };
    const answers = await Promise.all([
      s.one.swapLease(NO_LEASE, mine),
      s.other.swapLease(NO_LEASE, { token: 1, owner: 'other', beat: 0 }),
    ]);
    expect(answers.filter(({ swapped }) => swapped)).toHaveLength(1);
    const { lease } = await s.other.look();
    expect(answers.map((answer) => answer.lease)).toEqual([lease, lease]);
    const renewed = { ...lease, beat: 1 };
    expect(await s.one.swapLease(lease, renewed)).toEqual({ lease: renewed, edits: 0, swapped: true });
    expect(await s.other.swapLease(lease, mine)).toEqual({ lease: renewed, edits: 0, swapped: false });
  });

  it('refuses what an old leader writes', async () => {
    await using s = await two();
    await s.one.swapLease(NO_LEASE, { token: 1, owner: 'one', beat: 0 });
    expect(
      await s.one.commit(1, [
        ['a', '{"x":"ü"}'],
        ['b', 'B'],
        ['__proto__', 'p'],
      ]),
    ).toBe(true);
    await s.other.swapLease({ token: 1, owner: 'one', beat: 0 }, { token: 2, owner: 'other', beat: 0 });
    expect(await s.one.commit(1, [['a', 'stale']])).toBe(false);
    expect(await s.other.commit(2, [['b', undefined]])).toBe(true);
    const { states } = await s.one.load();
    expect([...states].sort()).toEqual([
      ['__proto__', 'p'],
      ['a', '{"x":"ü"}'],
    ]);
  });

  it('keeps edits, each only over what its author saw, and counts them', async () => {
    await using s = await two();
    expect(await s.one.edit('a', undefined, 'first')).toBe(true);
    expect(await s.other.edit('a', undefined, 'second')).toBe(false);
    expect(await s.other.edit('a', 'first', 'second')).toBe(true);
    expect(await s.one.edit('b', undefined, 'x'.repeat(100_000))).toBe(true);
    expect(await s.one.edit('b', 'x'.repeat(100_000), undefined)).toBe(true);
    const { edits, edited, states } = await s.other.load();
    expect([edits, [...edited], [...states]]).toEqual([4, [['a', 'second']], []]);
    await s.one.swapLease(NO_LEASE, { token: 1, owner: 'one', beat: 0 });
    expect((await s.other.look()).edits).toBe(4);
  });

  it('takes edits while the leader writes', async () => {
    await using s = await two();
    await s.one.swapLease(NO_LEASE, { token: 1, owner: 'one', beat: 0 });
    const names = Array.from({ length: 30 }, (_, index) => `${index}`);
    const leads = names.map((name) => s.one.commit(1, [[name, 'state']]));
    const edits = names.map((name) => s.other.edit(name, undefined, 'edit'));
    expect(new Set(await Promise.all([...leads, ...edits]))).toEqual(new Set([true]));
    const loaded = await s.one.load();
    expect([loaded.edits, loaded.edited.size, loaded.states.size]).toEqual([30, 30, 30]);
  });

  it('tells of edits, or is cheap to ask', async () => {
    await using s = await two();
    let told = 0;
    using _ = s.other.onEdit?.(() => void told++);
    await s.one.edit('a', undefined, 'x');
    await vi.waitFor(
      async () => expect(s.other.onEdit === undefined ? (await s.other.look()).edits : told).toBeGreaterThan(0),
      20_000,
    );
  });

  it('keeps apps apart, and a thousand entries', async () => {
    await using s = await two();
    await s.one.swapLease(NO_LEASE, { token: 1, owner: 'one', beat: 0 });
    const changes = Array.from({ length: 1000 }, (_, index) => [`entry ${index}`, `{"n":${index}}`] as const);
    expect(await s.one.commit(1, changes)).toBe(true);
    expect((await s.other.load()).states).toEqual(new Map(changes));
    await using stranger = await opened(url(), `app ${uuid()}`);
    expect((await stranger.load()).states.size).toBe(0);
  });
});

// MariaDB looks anew only if nobody has asked for a tenth of a second.
const locked = { timeout: 10_000, interval: 250 };
const waiting = {
  PostgreSQL: "select 1 from pg_stat_activity where wait_event_type = 'Lock'",
  MariaDB: "select 1 from information_schema.innodb_trx where trx_state = 'LOCK WAIT'",
};
describe.each(Object.entries(waiting))('%s', (kind, blocked) => {
  it('takes what its leader writes when the lease is renewed in the middle of it', async () => {
    const url = stores[kind]?.() ?? '';
    const app = `app ${uuid()}`;
    await using store = await openStore({ url, appName: app, connectTimeout: 5, patience: 10, transportOptions: {} });
    await store.swapLease(NO_LEASE, { token: 1, owner: 'one', beat: 0 });
    const { db, sql } = await connectSql(sqlPlace(url), 5);
    await using _closed = { [Symbol.asyncDispose]: () => db.destroy() };
    const changes = ['a', 'b', 'c'].map((name) => [name, `state of ${name}`] as const);
    const written = await db.transaction().execute(async (at) => {
      await sql`update lovage_beat_lease set beat = beat + 1 where app = ${app}`.execute(at);
      const writing = store.commit(1, changes);
      await vi.waitFor(async () => expect((await sql.raw(blocked).execute(db)).rows).not.toEqual([]), locked);
      return { writing };
    });
    expect(await written.writing).toBe(true);
    expect((await store.load()).states).toEqual(new Map(changes));
  });
});
