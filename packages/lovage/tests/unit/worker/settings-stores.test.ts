// Settings of stores, schedules and programs, each with what changes when it is set: accept lists, zones, state files, names of tables.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import type { Lovage, LovageParts, SettingsInput } from '../../../src/app/index.ts';
import { openSchedule, startBeat } from '../../../src/beat/index.ts';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { testFolder } from '../../support/folder.ts';
import { soon } from '../../support/worker-app.ts';
import { setup as make, waiting } from '../app/support.ts';

const setup = (settings: SettingsInput = {}, parts: LovageParts = {}): Lovage =>
  make({ resultBackend: `memory://${uuid()}`, ...settings }, parts);

/** Names of the tables in an SQLite file. */
function tablesIn(file: string): readonly string[] {
  using database = new DatabaseSync(file);
  return database
    .prepare("select name from sqlite_master where type = 'table' order by name")
    .all()
    .map(({ name }) => String(name));
}

it.each([
  [['json'], 'dead'],
  [['json', 'msgpack'], 'done'],
] as const)('acceptContent %j decides what becomes of a message in msgpack', async (acceptContent, fate) => {
  await using app = setup({ acceptContent: [...acceptContent] });
  let runs = 0;
  app.task('t', { params: [] }, () => void runs++);
  await using _worker = await startWorker(app);
  await app.sendTask('t', { serializer: 'msgpack' });
  await soon(async () =>
    expect([runs, (await waiting(app, deadLetterQueue('celery'))).length]).toEqual(fate === 'done' ? [1, 0] : [0, 1]),
  );
});

it('workerConcurrency is how many tasks run at once', async () => {
  await using app = setup({ workerConcurrency: 3 });
  await using worker = await startWorker(app);
  expect(worker.facts?.concurrency).toBe(3);
  await using other = await startWorker(app, { concurrency: 2, hostname: 'other@h' });
  expect(other.facts?.concurrency).toBe(2);
});

it('taskSoftTimeLimit asks a task to end', async () => {
  await using app = setup({ taskSoftTimeLimit: 0.05 });
  const slow = app.task('slow', { bind: true, params: [] }, async (ctx) => {
    await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
  });
  await using _worker = await startWorker(app);
  await expect((await slow.delay()).get({ timeout: 10 })).rejects.toThrow(/soft time limit of 0\.05 s/);
});

it.each([true, false])('taskAcksLate %s decides whether the broker holds a message while its task runs', async (taskAcksLate) => {
  await using app = setup({ taskAcksLate });
  const open = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const slow = app.task('slow', async () => {
    started.resolve();
    await open.promise;
  });
  await using _worker = await startWorker(app);
  const result = await slow.delay();
  await started.promise;
  const broker = await app.openBroker('read');
  await soon(async () => expect(await broker.count('celery')).toMatchObject({ held: taskAcksLate ? 1 : 0 }));
  open.resolve();
  await result.get({ timeout: 5 });
});

it('workerStateDb is the file in which a worker keeps what was revoked', async () => {
  const folder = testFolder('state');
  await using app = setup({ workerStateDb: join(folder, '%n.state') });
  const worker = await startWorker(app, { hostname: 'one@h', mingle: false });
  await app.control.revoke('a', { wait: true });
  await worker.stop();
  expect(JSON.parse(readFileSync(join(folder, 'one.state'), 'utf8'))).toMatchObject({ ids: [['a', expect.any(Number)]] });
});

it.each([
  ['Asia/Tokyo', 'T03:30:00'],
  ['America/Lima', 'T17:30:00'],
])('timezone %s is that of crontabs', async (timezone, due) => {
  await using app = setup({ timezone });
  await using schedule = await openSchedule(app);
  await schedule.add('a', { task: 't', schedule: '30 12 * * *' });
  const [entry] = await schedule.list();
  expect(JSON.stringify(entry)).toContain(due);
});

it('beatMaxLoopInterval is how long beat sleeps at most', async () => {
  let looks = 0;
  const now = (): number => {
    looks++;
    return Date.now() / 1000;
  };
  const clock = { now, monotonic: () => performance.now() };
  await using app = setup({ beatMaxLoopInterval: 0.01 }, { clock });
  await using beat = await startBeat(app);
  await beat.ready;
  // With the second that it sleeps else this would take most of a minute.
  await soon(() => expect(looks).toBeGreaterThan(40));
});

it('cacheBackendOptions are those of memcached', async () => {
  await using app = setup({ resultBackend: 'cache+memcached://127.0.0.1:1/', cacheBackendOptions: { nosuch: 1 } });
  await expect(app.openBackend()).rejects.toThrow(/nosuch/);
});

it('databaseTableNames names the tables, and databaseCreateTablesAtSetup says whether they are made at once', async () => {
  const file = join(testFolder('tables'), 'results.db');
  const settings = { resultBackend: `db+sqlite:///${file}`, databaseTableNames: { task: 'shop_results', group: 'shop_groups' } };
  await using without = setup({ ...settings, databaseCreateTablesAtSetup: false, resultBackendAlwaysRetry: false });
  await expect(without.result('a').state()).rejects.toThrow(/shop_results/);
  expect(existsSync(file) ? tablesIn(file) : []).toEqual([]);
  await using app = setup(settings);
  expect(await app.result('a').state()).toBe('PENDING');
  expect(tablesIn(file)).toEqual(expect.arrayContaining(['shop_groups', 'shop_results']));
});

it('databaseTableSchemas is where they are', async () => {
  const resultBackend = `db+sqlite:///${join(testFolder('schemas'), 'results.db')}`;
  await using app = setup({ resultBackend, databaseTableSchemas: { task: 'main', group: 'main' } });
  expect(await app.result('a').state()).toBe('PENDING');
  await using lost = setup({ resultBackend, databaseTableSchemas: { task: 'nosuch' }, resultBackendAlwaysRetry: false });
  await expect(lost.result('a').state()).rejects.toThrow(/nosuch/);
});
