// Store or broker cannot be reached when beat starts: that is said at once with its reason, stopping does not wait for it, and all goes on
// once it is there.
import { configure, type LogRecord, reset } from '@logtape/logtape';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePorts } from '../../../../../scripts/servers/index.ts';
import { openSchedule, startBeat } from '../../../src/beat/index.ts';
import { systemClock, uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { folder, shop, stopAll } from './places.ts';

const soon = { timeout: 15_000, interval: 20 };
const lines: string[] = [];
/** Told of each line before whoever wrote it goes on. */
const listeners = new Set<(line: string) => void>();

beforeAll(async () => {
  const own = ({ message }: LogRecord): void => {
    const line = message.join('');
    lines.push(line);
    for (const listener of listeners) listener(line);
  };
  await configure({
    sinks: { own },
    loggers: [
      { category: ['lovage', 'beat'], lowestLevel: 'info', sinks: ['own'] },
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['own'] },
    ],
  });
});
afterAll(async () => {
  await reset();
  await stopAll();
});

const said = (words: RegExp): Promise<void> => vi.waitFor(() => expect(lines.join('\n')).toMatch(words), soon);
const own = (): { readonly beatScheduler: string; readonly beatScheduleFilename: string } => ({
  beatScheduler: 'file',
  beatScheduleFilename: `${folder}/${uuid()}.schedule`,
});

const nowhere: Readonly<Record<string, (port: number) => string>> = {
  Redis: (port) => `redis://127.0.0.1:${port}`,
  PostgreSQL: (port) => `db+postgresql://me@127.0.0.1:${port}/x`,
  MariaDB: (port) => `db+mysql://me@127.0.0.1:${port}/x`,
};

describe.concurrent.each(Object.entries(nowhere))('a store in %s that is away', (_, url) => {
  it('is told of at once, by beat and by the schedule, and keeps nobody from stopping', async () => {
    const beatScheduler = url(await freePorts());
    const broker = `memory://${uuid()}`;
    await using app = shop({ brokerUrl: broker, resultBackend: broker, beatScheduler, brokerConnectionTimeout: 1 });
    const port = beatScheduler.match(/\d{4,}/)?.[0];
    const begun = performance.now();
    {
      await using beat = await startBeat(app);
      await said(new RegExp(`cannot be used, it is tried again: .*ECONNREFUSED 127.0.0.1:${port}`));
      expect(beat.isLeader).toBe(false);
    }
    expect(performance.now() - begun).toBeLessThan(20_000);
    await using schedule = await openSchedule(app);
    await expect(schedule.list()).rejects.toThrow(/^The schedule store .* cannot be reached: .*ECONNREFUSED/);
  });
});

it('a store that comes is used, and that is said', async () => {
  await using proxy = await startProxy(redisUrl());
  proxy.refuse();
  const broker = `memory://${uuid()}`;
  await using app = shop({ brokerUrl: broker, resultBackend: broker, beatScheduler: proxy.url(redisUrl()) });
  await using beat = await startBeat(app);
  await said(new RegExp(`127.0.0.1:${proxy.port}\\S* cannot be used`));
  proxy.refuse(false);
  await beat.ready;
  await said(new RegExp(`127.0.0.1:${proxy.port}\\S* answers again`));
  expect(beat.isLeader).toBe(true);
});

it('a broker that is away at the start is told of, and takes the run once it is there', async () => {
  await using proxy = await startProxy(amqpUrl());
  proxy.refuse();
  await using app = shop({
    ...own(),
    brokerUrl: proxy.url(amqpUrl()),
    resultBackend: redisUrl(),
    beatSchedule: { once: { task: 'note', schedule: new Date(Date.now() + 100), args: ['ran'] } },
  });
  const ran: string[] = [];
  app.task('note', (text: string) => void ran.push(text));
  await using beat = await startBeat(app);
  await beat.ready;
  await said(/Runs that are due \(1\) wait for the broker: Cannot connect to RabbitMQ at \S+: /);
  proxy.refuse(false);
  await using _worker = await startWorker(app, { withoutHeartbeat: true, mingle: false });
  await vi.waitFor(() => expect(ran).toEqual(['ran']), soon);
  await using schedule = await openSchedule(app);
  await vi.waitFor(async () => expect((await schedule.list())[0]?.totalRuns).toBe(1), soon);
});

it('a clock that goes an hour ahead and back while a run waits for the broker does not put that off by an hour', async () => {
  await using proxy = await startProxy(amqpUrl());
  proxy.refuse();
  let ahead = 0;
  await using app = shop(
    {
      ...own(),
      brokerUrl: proxy.url(amqpUrl()),
      resultBackend: redisUrl(),
      taskPublishTimeout: 1,
      beatSchedule: { 'an hour': { task: 'note', schedule: new Date(Date.now() + 100), args: ['ran'] } },
    },
    { clock: { now: () => systemClock.now() + ahead, monotonic: systemClock.monotonic } },
  );
  const ran: string[] = [];
  app.task('note', (text: string) => void ran.push(text));
  const moves = Promise.withResolvers<void>();
  listeners.add((line) => {
    if (line.includes('wait for the broker')) ahead = 3600;
    if (!line.includes('(an hour) could not be sent')) return;
    ahead = 0;
    moves.resolve();
  });
  await using _beat = await startBeat(app);
  await moves.promise;
  proxy.refuse(false);
  await using _worker = await startWorker(app, { withoutHeartbeat: true, mingle: false });
  await vi.waitFor(() => expect(ran).toEqual(['ran']), soon);
});
