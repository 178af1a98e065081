// What a beat finds that comes after hours: runs that nobody was there for, another time zone, entries that are in the code no longer. Two
// apps of one name and store, one after the other, each with a clock of its own.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type BeatEntry, crontab, type Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { openSchedule, startBeat } from '../../../src/beat/index.ts';
import { openScheduleStore } from '../../../src/beat/open.ts';
import { runId } from '../../../src/beat/plan.ts';
import { type Clock, systemClock, uuid } from '../../../src/util/index.ts';
import { places, shop, sqlPlaces, startSql, stopAll } from './places.ts';

const soon = { timeout: 15_000, interval: 20 };
beforeAll(startSql);
afterAll(stopAll);

/** A clock that shows this moment now and goes on. */
function clockAt(text: string): Clock {
  const ahead = Date.parse(text) / 1000 - systemClock.now();
  return { now: () => systemClock.now() + ahead, monotonic: systemClock.monotonic };
}

const { 'sqlite, one file': sqlite, redis } = places;

describe.concurrent.each(Object.entries({ sqlite, redis, ...sqlPlaces }))('%s', (_, place) => {
  /** The same app at one time and at another, with other settings. */
  function life(): (at: string, more: SettingsInput) => Lovage {
    const name = `beat-${uuid()}`;
    const settings = { ...place?.(), taskDefaultQueue: name, controlExchange: name };
    return (at, more) => shop({ ...settings, ...more }, { clock: clockAt(at) }, name);
  }

  /** Beat until it has sent these, and knows all its entries; and what it keeps then. */
  async function beatUntil(app: Lovage, wanted: readonly string[]): Promise<ReadonlyMap<string, string>> {
    await using store = await openScheduleStore(app);
    {
      await using beat = await startBeat(app);
      await beat.ready;
      await vi.waitFor(async () => {
        const { states } = await store.load();
        expect(Object.keys(app.settings.beatSchedule).filter((name) => !states.has(name))).toEqual([]);
        expect(await sent(app)).toEqual(wanted);
      }, soon);
    }
    expect(await sent(app)).toEqual(wanted);
    return (await store.load()).states;
  }

  async function sent(app: Lovage): Promise<readonly string[]> {
    const broker = await app.openBroker('read');
    return (await broker.peek(app.settings.taskDefaultQueue, 1000)).map(({ headers }) => String(headers.id)).toSorted();
  }

  it('sends of missed runs what each policy says, and nothing older than it may be', async () => {
    const at = life();
    const often: BeatEntry = { task: 'tick', schedule: 600, lastRunAt: '2026-03-02T08:00:00Z' };
    const beatSchedule = {
      skip: { ...often, misfirePolicy: 'skip', misfireMaxAge: null },
      latest: { ...often, misfirePolicy: 'latest', misfireMaxAge: null },
      all: { ...often, misfireMaxAge: null },
      'all of 25 minutes': often,
      'none of a minute': { ...often, misfirePolicy: 'latest', misfireMaxAge: 60 },
      'crontab in time': { ...often, schedule: '*/10 * * * *', misfirePolicy: 'latest' },
      'crontab too late': { ...often, schedule: '30 * * * *', misfireMaxAge: null },
    } satisfies Record<string, BeatEntry>;
    const settings: SettingsInput = {
      beatSchedule,
      beatMisfirePolicy: 'all',
      beatMisfireMaxAge: 1500,
      beatCronStartingDeadline: 120,
    };
    {
      await using before = at('2026-03-02T08:00:10Z', settings);
      await beatUntil(before, []);
    }
    await using app = at('2026-03-02T09:01:40Z', settings);
    const minutes: Readonly<Record<string, readonly number[]>> = {
      latest: [60],
      all: [10, 20, 30, 40, 50, 60],
      'all of 25 minutes': [40, 50, 60],
      'crontab in time': [60],
    };
    const start = Date.parse('2026-03-02T08:00:00Z');
    const wanted = Object.entries(minutes).flatMap(([name, dues]) =>
      dues.map((due) => runId(app.name, name, start + due * 60_000)),
    );
    await beatUntil(app, wanted.toSorted());
  });

  it('begins anew in another time zone, except where an entry has its own, and forgets what the code no longer has', async () => {
    const at = life();
    const entry = { task: 'tick', lastRunAt: '2026-03-02T05:00:00Z' };
    const own = crontab({ hour: 7, minute: 0, timezone: 'Europe/Berlin' });
    const beatSchedule = { plain: { ...entry, schedule: '0 7 * * *' }, own: { ...entry, schedule: own } };
    {
      const gone = { ...entry, schedule: '0 9 * * *' };
      await using before = at('2026-03-02T05:00:10Z', { timezone: 'Europe/Berlin', beatSchedule: { ...beatSchedule, gone } });
      expect((await beatUntil(before, [])).has('gone')).toBe(true);
    }
    await using app = at('2026-03-02T10:00:00Z', { timezone: 'America/New_York', beatSchedule });
    const states = await beatUntil(app, [runId(app.name, 'own', Date.parse('2026-03-02T06:00:00Z'))]);
    expect(states.has('gone')).toBe(false);
    await using schedule = await openSchedule(app);
    const [next] = await schedule.next('plain');
    expect(next?.toISOString()).toBe('2026-03-02T12:00:00.000Z');
  });
});
