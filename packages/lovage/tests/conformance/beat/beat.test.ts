// Beat with a worker, over each way in which a run is sent: jointly with what is remembered of it, or claimed first.
import { afterAll, describe, expect, it, vi } from 'vitest';
import { readEntry } from '../../../src/app/index.ts';
import { openSchedule, startBeat } from '../../../src/beat/index.ts';
import { openScheduleStore } from '../../../src/beat/open.ts';
import { runId } from '../../../src/beat/plan.ts';
import { createSender } from '../../../src/beat/send.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { places, shop, stopAll } from './places.ts';

afterAll(stopAll);
const soon = { timeout: 15_000, interval: 10 };

describe.each(Object.entries(places))('%s', (_, place) => {
  it('sends what is due, once, and a worker runs it', async () => {
    await using app = shop({
      ...place(),
      beatSchedule: {
        often: { task: 'add', schedule: 0.2, args: [1], kwargs: { label: 'often' }, maxRuns: 5 },
        once: { task: 'add', schedule: new Date(Date.now() + 300), args: [2], kwargs: { label: 'once' } },
        wrong: { task: 'add', schedule: '61 * * * *' },
        never: { task: 'add', schedule: 0.1, enabled: false },
      },
    });
    const ran: string[] = [];
    const ids = new Set<string>();
    const add = app.task('add', { bind: true, params: ['n', 'label'] }, (ctx, n: number, label: string) => {
      ids.add(ctx.request.id);
      ran.push(`${label} ${n}`);
    });
    app.addPeriodicTask(0.3, add.s(3, 'code'), { name: 'code', maxRuns: 2 });
    await using _worker = await startWorker(app, { withoutHeartbeat: true, mingle: false });
    await using beat = await startBeat(app);
    await beat.ready;
    await vi.waitFor(() => expect(ran).toHaveLength(8), soon);
    expect(ran.toSorted()).toEqual([...Array(2).fill('code 3'), ...Array(5).fill('often 1'), 'once 2']);
    expect(ids.size).toBe(8);
    await using schedule = await openSchedule(app);
    await vi.waitFor(async () => {
      const list = await schedule.list();
      expect(list.map(({ name, totalRuns }) => [name, totalRuns])).toEqual([
        ...[
          ['code', 2],
          ['never', 0],
          ['often', 5],
          ['once', 1],
          ['wrong', 0],
        ],
      ]);
      expect(list.map(({ error }) => error !== undefined)).toEqual([false, false, false, false, true]);
    }, soon);
    expect(ran).toHaveLength(8);
  });

  it('a run that a second beat sends too, since the first did not come to note it, takes effect once: while it runs, and when it is over', async () => {
    await using app = shop(place());
    const { promise: open, resolve } = Promise.withResolvers<void>();
    const ran: string[] = [];
    app.task('slow', { bind: true }, async (ctx) => {
      ran.push(ctx.request.id);
      await open;
    });
    await using store = await openScheduleStore(app);
    const senders = await Promise.all([createSender(app, store), createSender(app, store)]);
    const send = async (...dues: readonly number[]): Promise<void> => {
      const entry = readEntry('e', { task: 'slow', schedule: 1 });
      const runs = dues.map((due) => ({ entry, id: runId(app.name, 'e', due), due }));
      for (const sender of senders) expect(await sender.send(runs)).toEqual(runs.map(() => undefined));
    };
    await using _worker = await startWorker(app, { withoutHeartbeat: true, mingle: false });
    const broker = await app.openBroker('read');
    const taken = (): Promise<void> =>
      vi.waitFor(async () => expect(await broker.peek(app.settings.taskDefaultQueue, 10)).toEqual([]), soon);
    await send(1, 2);
    await taken();
    expect(ran).toEqual([1, 2].map((due) => runId(app.name, 'e', due)));
    resolve();
    await Promise.all(ran.map((id) => app.result(id).get({ timeout: 10 })));
    await send(1, 2, 3);
    await app.result(runId(app.name, 'e', 3)).get({ timeout: 10 });
    await taken();
    expect(ran).toEqual([1, 2, 3].map((due) => runId(app.name, 'e', due)));
  });

  it('follows what is changed at run time within a second', async () => {
    await using app = shop(place());
    const ran: string[] = [];
    app.task('note', (text: string) => void ran.push(text));
    await using _worker = await startWorker(app, { withoutHeartbeat: true, mingle: false });
    await using beat = await startBeat(app);
    await beat.ready;
    await using schedule = await openSchedule(app);
    await schedule.add('a', { task: 'note', schedule: 0.1, args: ['tick'] });
    await expect(schedule.add('a', { task: 'note', schedule: 1 })).rejects.toThrow(
      "an entry 'a' already".replace('an entry', 'a schedule entry'),
    );
    await vi.waitFor(() => expect(ran.length).toBeGreaterThan(2), soon);
    await schedule.pause('a');
    // What was sent before it was heard may still come.
    await vi.waitFor(async () => expect((await schedule.list())[0]?.enabled).toBe(false), soon);
    expect(await schedule.next('a')).toEqual([]);
    await schedule.run('a');
    await schedule.resume('a');
    const before = ran.length;
    await vi.waitFor(() => expect(ran.length).toBeGreaterThan(before + 3), soon);
    await schedule.remove('a');
    await expect(schedule.remove('a')).rejects.toThrow("no schedule entry 'a'");
    expect(await schedule.list()).toEqual([]);
  });
});
