// Several beats, as processes, and what happens to them: stopped and continued, killed in the middle of a run, their store down, their
// clock moved. Every run has its id, so that what waits in the queue afterwards tells which came twice and which never.

import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RedisServer, type SqlServer, startMariadb, startPostgres, startRedis } from '../../../../scripts/servers/index.ts';
import { openSchedule, type ScheduleHandle } from '../../src/beat/index.ts';
import { openScheduleStore } from '../../src/beat/open.ts';
import { runId } from '../../src/beat/plan.ts';
import { Lovage, type SettingsInput } from '../../src/index.ts';
import { orAborted, uuid } from '../../src/util/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { ensureBuilt } from '../support/program.ts';
import { type Proxy as Line, startProxy } from '../support/proxy.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import type { BeatOrders } from './harness/beat-program.ts';
import { type Child, startChild } from './harness/child.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-beats-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const soon = { timeout: 40_000, interval: 20 };
/** Milliseconds between two runs of an entry, and for how long they go on. */
const EVERY = 100;
const both = (url: string): SettingsInput => ({ brokerUrl: url, resultBackend: url });
const ENTRIES = ['a', 'b', 'c', 'd'];

interface Arena extends AsyncDisposable {
  readonly app: Lovage;
  readonly schedule: ScheduleHandle;
  beat(name: string, more?: Partial<BeatOrders>, settings?: SettingsInput): Promise<Child>;
  /** The one of these that leads; waits until one does. */
  leader(among: readonly Child[]): Promise<Child>;
  /** Stops it. Not in the middle of a write to an SQLite file: whoever is stopped there locks everybody out, as SQLite has it. */
  freeze(beat: Child): Promise<void>;
  /** Adds the entries, each run of which is wanted for so many milliseconds from now; answers the ids of all runs. */
  begin(milliseconds: number): Promise<readonly string[]>;
  /** Waits until beat has noted so many runs of each entry. */
  through(runs: number): Promise<void>;
  /** Ids of all messages in the queue. */
  sent(): Promise<readonly string[]>;
}

beforeAll(ensureBuilt);

async function openArena(given: SettingsInput): Promise<Arena> {
  const name = `beats-${uuid()}`;
  const settings = { taskDefaultQueue: name, controlExchange: name, resultExpires: 300, beatLease: 1, ...given };
  const stack = new AsyncDisposableStack();
  const app = stack.use(new Lovage(name, settings, { environment: {} }));
  const started: Child[] = [];
  const schedule = stack.use(await openSchedule(app));
  const store = stack.use(await openScheduleStore(app));
  return {
    app,
    schedule,
    beat: async (called, more = {}, own = {}) => {
      const orders: BeatOrders = { app: name, settings: { ...settings, ...own }, ...more };
      const program = join(import.meta.dirname, 'harness/beat-program.ts');
      const env = { BEAT_ORDERS: JSON.stringify(orders) };
      const child = await startChild({ name: `${name}-${called}`, folder, command: process.execPath, args: [program], env });
      started.push(child);
      return stack.use(child);
    },
    leader: (among) =>
      vi.waitFor(async () => {
        const { lease } = await store.look();
        const found = among.find(({ pid, isRunning }) => isRunning && lease.owner.startsWith(`${hostname()}:${pid}:`));
        if (found === undefined) throw new Error(`None of these leads, but '${lease.owner}'.`);
        return found;
      }, soon),
    freeze: async (beat) => {
      const isWritable = (): Promise<boolean> =>
        orAborted(store.edit('probe', undefined, undefined), AbortSignal.timeout(1000)).then(
          () => true,
          () => false,
        );
      const isFile = !/redis|sql \((postgresql|mysql)/.test(store.name);
      for (;;) {
        beat.signal('SIGSTOP');
        if (!isFile || (await isWritable())) return;
        beat.signal('SIGCONT');
        await delay(50 + Math.random() * 50);
      }
    },
    begin: async (milliseconds) => {
      const from = Date.now();
      const count = Math.floor(milliseconds / EVERY);
      const [lastRunAt, endAt] = [new Date(from), new Date(from + count * EVERY)];
      for (const entry of ENTRIES)
        await schedule.add(entry, { task: 'tick', schedule: EVERY / 1000, lastRunAt, endAt, misfirePolicy: 'all' });
      return ENTRIES.flatMap((entry) =>
        Array.from({ length: count }, (_, index) => runId(name, entry, from + (index + 1) * EVERY)),
      ).toSorted();
    },
    through: (runs) => {
      const all = vi.waitFor(async () => {
        const list = await schedule.list();
        // Not by when they are next: an entry whose last run is overdue has no further one.
        const left = list.filter(({ totalRuns }) => totalRuns < runs);
        if (list.length === 0 || left.length > 0) throw new Error(`Of ${runs} runs these made: ${JSON.stringify(left)}`);
      }, soon);
      return all.catch((error: unknown) => {
        throw new Error(`${String(error)}${started.map((beat) => `\n${beat.name}:\n${beat.log()}`).join('')}`, { cause: error });
      });
    },
    sent: async () => {
      const broker = await app.openBroker('read');
      return (await broker.peek(name, 100_000)).map(({ headers }) => String(headers.id)).toSorted();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What came twice. */
function twice(ids: readonly string[]): readonly string[] {
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}

const joint: Readonly<Record<string, () => SettingsInput>> = {
  embedded: () => both(`sqlite://${folder}/${uuid()}.db`),
  redis: () => both(redisUrl()),
};

describe.concurrent.each(Object.entries(joint))('%s', (_, settings) => {
  test('the leader stands still for longer than its lease, and goes on: each run once', async () => {
    await using arena = await openArena(settings());
    const beats = await Promise.all([arena.beat('one'), arena.beat('two')]);
    const frozen = await arena.leader(beats);
    const wanted = await arena.begin(4000);
    await delay(500 + Math.random() * 100);
    await arena.freeze(frozen);
    const heir = await arena.leader(beats.filter((beat) => beat !== frozen));
    await delay(300);
    frozen.signal('SIGCONT');
    await arena.through(wanted.length / ENTRIES.length);
    expect(heir.isRunning && frozen.isRunning).toBe(true);
    expect(await arena.sent()).toEqual(wanted);
  });

  test('leaders are killed in the middle of their work: each run once', async () => {
    await using arena = await openArena(settings());
    const beats = await Promise.all([arena.beat('one'), arena.beat('two'), arena.beat('three')]);
    await arena.leader(beats);
    const wanted = await arena.begin(4000);
    for (let death = 0; death < 2; death++) {
      const victim = await arena.leader(beats);
      await delay(300 + Math.random() * 300);
      victim.signal('SIGKILL');
      await victim.ended;
    }
    await arena.through(wanted.length / ENTRIES.length);
    expect(await arena.sent()).toEqual(wanted);
  });

  test('the clock of the leader goes an hour forward and back, and the next one is an hour behind: no run twice', async () => {
    await using arena = await openArena(settings());
    const beats = await Promise.all([arena.beat('one'), arena.beat('two')]);
    const [leader, next] = await arena.leader(beats).then((first) => [first, beats.find((beat) => beat !== first)] as const);
    const tell = async (beat: Child | undefined, seconds: number): Promise<void> => {
      const did = beat?.heard('did');
      beat?.tell(`skew ${seconds}`);
      await did;
    };
    for (const name of ENTRIES) await arena.schedule.add(name, { task: 'tick', schedule: EVERY / 1000 });
    const more = async (): Promise<void> => {
      const { length } = await arena.sent();
      await vi.waitFor(async () => expect((await arena.sent()).length).toBeGreaterThan(length + 3 * ENTRIES.length), soon);
    };
    const began = Date.now();
    for (const skew of [0, 3600, 0, -3600, 0]) {
      await tell(leader, skew);
      await more();
    }
    await tell(next, -3600);
    leader.signal('SIGKILL');
    await more();
    next?.signal('SIGKILL');
    await next?.ended;
    const ids = await arena.sent();
    expect(twice(ids)).toEqual([]);
    // One run for each jump at most is more than the time that went by has room for.
    expect(ids.length).toBeLessThanOrEqual(ENTRIES.length * ((Date.now() - began) / EVERY + 7));
  });
});

describe.concurrent('elsewhere', () => {
  test('the store dies and comes back: each run once', async () => {
    await using server: RedisServer = await startRedis({ appendonly: 'always' });
    await using arena = await openArena(both(server.url));
    const beats = await Promise.all([arena.beat('one'), arena.beat('two')]);
    await arena.leader(beats);
    const wanted = await arena.begin(4000);
    for (let death = 0; death < 2; death++) {
      await delay(400 + Math.random() * 200);
      await server.kill();
      await delay(Math.random() * 1000);
      await server.restart();
      await arena.leader(beats);
    }
    await arena.through(wanted.length / ENTRIES.length);
    expect(await arena.sent()).toEqual(wanted);
  });

  test('broker and schedule in two places, beats killed between sending and noting: each run takes effect once', async () => {
    await using arena = await openArena({
      ...both(`sqlite://${folder}/${uuid()}.db`),
      beatScheduler: 'file',
      beatScheduleFilename: `${folder}/${uuid()}.schedule`,
    });
    const ran: string[] = [];
    arena.app.task('tick', { bind: true }, (context) => void ran.push(context.request.id));
    await using _worker = await startWorker(arena.app, { withoutHeartbeat: true, mingle: false });
    const victims = await Promise.all([17, 30].map((dieAfter) => arena.beat(`victim${dieAfter}`, { dieAfter })));
    await arena.leader(victims);
    const wanted = await arena.begin(3000);
    for (const victim of victims) await victim.ended;
    await arena.beat('heir');
    await arena.through(wanted.length / ENTRIES.length);
    await vi.waitFor(() => expect(ran.length).toBeGreaterThanOrEqual(wanted.length), soon);
    await vi.waitFor(async () => expect(await arena.sent()).toEqual([]), soon);
    expect(ran.toSorted()).toEqual(wanted);
  });
});

/** A broker and a schedule store in two places, and what stands between them and the beats, where that can be cut. */
interface Apart extends AsyncDisposable {
  readonly settings: SettingsInput;
  /** As beats reach them. */
  readonly throughProxies: SettingsInput;
  readonly lines: readonly Line[];
}

interface Servers {
  readonly postgres: SqlServer;
  readonly mariadb: SqlServer;
}

async function apart(brokerUrl: string, resultBackend: string, beatScheduler: string): Promise<Apart> {
  const stack = new AsyncDisposableStack();
  const proxied = async (url: string): Promise<readonly [url: string, lines: readonly Line[]]> => {
    if (/sqlite/.test(url)) return [url, []];
    const proxy = stack.use(await startProxy(url.replace(/^db\+/, '')));
    return [proxy.url(url), [proxy]];
  };
  const [[broker, brokerLines], [store, storeLines]] = [await proxied(brokerUrl), await proxied(beatScheduler)];
  return {
    settings: { brokerUrl, resultBackend, beatScheduler },
    throughProxies: { brokerUrl: broker, beatScheduler: store },
    lines: [...storeLines, ...brokerLines],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const embedded = (): string => `sqlite://${folder}/${uuid()}.db`;
const apartPlaces: Readonly<Record<string, (servers: Servers) => Promise<Apart>>> = {
  'RabbitMQ and PostgreSQL': ({ postgres }) => apart(amqpUrl(), redisUrl(), `db+${postgres.url}`),
  'RabbitMQ and Redis': () => apart(amqpUrl(), redisUrl(), redisUrl()),
  'Redis and MariaDB': ({ mariadb }) => apart(redisUrl(), redisUrl(), `db+${mariadb.url}`),
  'embedded and SQLite by kysely': () => {
    const url = embedded();
    return apart(url, url, `db+sqlite:///${folder}/${uuid()}.sql`);
  },
  'embedded and a file': () => {
    const url = embedded();
    return apart(url, url, embedded());
  },
};

describe('messages and schedule apart', () => {
  let servers: Servers;
  beforeAll(async () => {
    const [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()]);
    servers = { postgres, mariadb };
  });
  afterAll(() => Promise.all([servers.postgres[Symbol.asyncDispose](), servers.mariadb[Symbol.asyncDispose]()]));

  describe.concurrent.each(Object.entries(apartPlaces))('%s', (_, place) => {
    test('leader frozen, another killed, lines to store and broker cut, the clock moved: each run takes effect once', async () => {
      await using places = await place(servers);
      await using arena = await openArena(places.settings);
      const ran: string[] = [];
      arena.app.task('tick', { bind: true }, (context) => void ran.push(context.request.id));
      await using _worker = await startWorker(arena.app, { withoutHeartbeat: true, mingle: false });
      const beats = await Promise.all(['one', 'two', 'three'].map((name) => arena.beat(name, {}, places.throughProxies)));
      const frozen = await arena.leader(beats);
      const wanted = await arena.begin(6000);
      // At any moment, also while its queue is declared or its messages are half on their way: what it sends afterwards says that it may be a repeat.
      await delay(Math.random() * 300);
      await arena.freeze(frozen);
      const victim = await arena.leader(beats.filter((beat) => beat !== frozen));
      frozen.signal('SIGCONT');
      await delay(200 + Math.random() * 200);
      victim.signal('SIGKILL');
      await victim.ended;
      for (const line of places.lines) {
        await arena.leader(beats);
        await delay(100 + Math.random() * 100);
        line.refuse();
        line.cut();
        await delay(300);
        line.refuse(false);
      }
      const last = await arena.leader(beats);
      // All that is left is due then; nothing of it comes again when it is due once more.
      for (const skew of [3600, 0]) {
        const did = last.heard('did');
        last.tell(`skew ${skew}`);
        await did;
        await delay(200);
      }
      await arena.through(wanted.length / ENTRIES.length);
      await vi.waitFor(() => expect(ran.length).toBeGreaterThanOrEqual(wanted.length), soon);
      await vi.waitFor(async () => expect(await arena.sent()).toEqual([]), soon);
      expect(twice(ran)).toEqual([]);
      expect(ran.toSorted()).toEqual(wanted);
    });
  });
});
