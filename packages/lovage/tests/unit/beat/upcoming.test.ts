// When an entry runs next, as people are told: what is overdue too, as the policy for missed runs has it.
import { expect, it } from 'vitest';
import { openSchedule } from '../../../src/beat/index.ts';
import { setup } from '../app/support.ts';

const NOW = Date.parse('2026-11-29T12:00:00Z');
const clock = { now: () => NOW / 1000, monotonic: () => performance.now() };
const at = (minutes: number): Date => new Date(NOW + minutes * 60_000);

it.each([
  ['skip', [30]],
  ['latest', [-30, 30]],
  ['all', [-90, -30, 30]],
] as const)('with misfirePolicy %s an entry that missed two runs is next at %j minutes', async (misfirePolicy, minutes) => {
  const hourly = { task: 't', schedule: 3600, lastRunAt: at(-150), misfirePolicy };
  await using app = setup({ beatSchedule: { hourly } }, { clock });
  await using schedule = await openSchedule(app);
  expect(await schedule.next('hourly', minutes.length)).toEqual(minutes.map(at));
  expect((await schedule.list())[0]?.nextRunAt).toEqual(at(minutes[0]));
});

it('a run that was for a moment ago is told, one for yesterday is not', async () => {
  const once = (minutes: number) => ({ task: 't', schedule: at(minutes) });
  await using app = setup({ beatSchedule: { now: once(-1 / 60), gone: once(-1440) } }, { clock });
  await using schedule = await openSchedule(app);
  expect(await schedule.next('now')).toEqual([at(-1 / 60)]);
  expect(await schedule.next('gone')).toEqual([]);
});
