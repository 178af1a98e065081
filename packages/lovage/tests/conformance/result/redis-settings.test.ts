// What the settings of a Redis result store do on a real server, and on wires that fail: names, time-outs, repeats, the cache.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { freePorts, startRedis } from '../../../../../scripts/servers/index.ts';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import type { ResultBackend } from '../../../src/result/index.ts';
import { openRedis, parseRedisUrl, type RedisLine } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { redisUrl } from '../../support/servers.ts';

function setup(settings: SettingsInput, resultBackend: string = redisUrl()): Lovage {
  const app = new Lovage('shop', { brokerUrl: `memory://${randomUUID()}`, resultBackend, ...settings }, { environment: {} });
  onTestFinished(() => app.close());
  return app;
}

function administer(url: string = redisUrl()): RedisLine {
  const line = openRedis({ target: parseRedisUrl(url), connectTimeout: 5, name: 'admin' });
  onTestFinished(() => line[Symbol.asyncDispose]());
  return line;
}

/** Connections of that name, as the server lists them. */
async function connections(admin: RedisLine, name: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const list = String(await admin.call('CLIENT', ['LIST']));
  const fields = (line: string) => Object.fromEntries(line.split(' ').map((field) => field.split(/=(.*)/).slice(0, 2)));
  const all = list.trim().split('\n').map(fields) as Record<string, string>[];
  return all.filter((client) => client.name === name);
}

/** A server that does with each connection what `serve` says; counts them. */
async function startFake(serve: (socket: Socket, count: number) => void): Promise<{ readonly url: string; opened(): number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => socket.destroy()));
    serve(socket, sockets.length);
  });
  const port = await freePorts();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `redis://127.0.0.1:${port}/0`, opened: () => sockets.length };
}

/** A way to the shared server on which the first connection falls dumb when told to: no bytes and no end. */
async function startWire(): Promise<{ readonly url: string; opened(): number; mute(): void }> {
  const target = new URL(redisUrl());
  const first: Socket[] = [];
  const fake = await startFake((near, count) => {
    const far = connect(Number(target.port), target.hostname);
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    near.pipe(far).pipe(near);
    if (count === 1) first.push(near, far);
  });
  return {
    ...fake,
    mute: () => {
      for (const socket of first) socket.unpipe().pause();
    },
  };
}

const opened = async (app: Lovage): Promise<ResultBackend> => app.openBackend();

it('redisHost, redisPort, redisDb, redisUsername and redisPassword are where results are and who reads them', async () => {
  const { hostname, port } = new URL(redisUrl());
  const user = `results-${randomUUID()}`;
  const admin = administer();
  await admin.call('ACL', ['SETUSER', user, 'on', '>s p@ce', '~*', '&*', '+@all']);
  onTestFinished(async () => void (await admin.call('ACL', ['DELUSER', user])));
  const redisClientName = `results-${randomUUID()}`;
  const place = { redisHost: hostname, redisPort: Number(port), redisDb: 7, redisUsername: user, redisClientName };
  await (await opened(setup({ ...place, redisPassword: 's p@ce' }, 'redis://'))).get(['a']);
  expect(await connections(admin, redisClientName)).toMatchObject([{ db: '7', user }]);
  const stranger = setup({ ...place, redisPassword: 'wrong' }, 'redis://');
  await expect(opened(stranger).then((backend) => backend.get(['a']))).rejects.toThrow(/WRONGPASS/);
});

it('redisClientName is the name of its connections', async () => {
  const name = `results-${randomUUID()}`;
  const admin = administer();
  await (await opened(setup({ redisClientName: name }))).get(['a']);
  expect(await connections(admin, name)).toHaveLength(1);
});

it.each([true, false])('redisSocketKeepalive %s is what the kernel does', async (redisSocketKeepalive) => {
  const redisClientName = `results-${randomUUID()}`;
  const admin = administer();
  await (await opened(setup({ redisClientName, redisSocketKeepalive }))).get(['a']);
  const [client] = await connections(admin, redisClientName);
  const port = Number(client!.addr!.split(':').at(-1)).toString(16).toUpperCase().padStart(4, '0');
  // An earlier line of the same port may still be on its way out.
  const ESTABLISHED = '01';
  const timer = (): string | undefined => {
    const lines = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/net/${table}`, 'utf8').split('\n'));
    const line = lines
      .map((text) => text.trim().split(/\s+/))
      .find((fields) => fields[1]?.endsWith(`:${port}`) && fields[3] === ESTABLISHED);
    return line?.[5]?.split(':')[0];
  };
  // 02 is the keep-alive timer, 00 is none; 01 shows while something is on its way.
  await vi.waitFor(() => expect(timer()).toBe(redisSocketKeepalive ? '02' : '00'), { timeout: 20_000 });
});

it('redisBackendHealthCheckInterval asks an idle connection for a sign of life', async () => {
  const redisClientName = `results-${randomUUID()}`;
  const admin = administer();
  await (await opened(setup({ redisClientName, redisBackendHealthCheckInterval: 1 }))).get(['a']);
  const last = async () => (await connections(admin, redisClientName)).map(({ cmd }) => cmd);
  expect(await last()).toEqual(['mget']);
  await vi.waitFor(async () => expect(await last()).toEqual(['ping']), { timeout: 10_000, interval: 50 });
});

it('redisBackendHealthCheckInterval replaces an idle connection that went dumb', async () => {
  const wire = await startWire();
  const app = setup({ redisBackendHealthCheckInterval: 1, redisSocketTimeout: 1 }, wire.url);
  await (await opened(app)).get(['a']);
  wire.mute();
  await vi.waitFor(() => expect(wire.opened()).toBe(2), { timeout: 10_000, interval: 20 });
});

it('redisSocketTimeout is how long an answer is waited for', async () => {
  const wire = await startWire();
  const backend = await opened(setup({ redisSocketTimeout: 1 }, wire.url));
  await backend.get(['a']);
  wire.mute();
  const began = performance.now();
  expect((await backend.get(['a'])).size).toBe(0);
  expect(wire.opened()).toBe(2);
  // The default is 10 s.
  expect(performance.now() - began).toBeLessThan(8000);
}, 30_000);

it('redisSocketConnectTimeout is how long a connection may take', async () => {
  const { url } = await startFake(() => undefined);
  const backend = await opened(setup({ redisSocketConnectTimeout: 0.2, resultBackendAlwaysRetry: false }, url));
  await expect(backend.get(['a'])).rejects.toThrow('No answer within 0.2 s');
});

it('resultBackendAlwaysRetry off lets a call fail at the first try', async () => {
  const { url, opened: tries } = await startFake((socket) => socket.destroy());
  const backend = await opened(setup({ resultBackendAlwaysRetry: false }, url));
  await expect(backend.get(['a'])).rejects.toThrow('cannot be reached');
  expect(tries()).toBe(1);
});

it('resultBackendMaxRetries is how often it is repeated', async () => {
  const { url, opened: tries } = await startFake((socket) => socket.destroy());
  const settings = { resultBackendMaxRetries: 2, resultBackendBaseSleepBetweenRetriesMs: 0 };
  const backend = await opened(setup(settings, url));
  await expect(backend.get(['a'])).rejects.toThrow('cannot be reached');
  // Between two of them the line may have tried by itself; without the setting it goes on for 20 s.
  expect(tries()).toBeGreaterThanOrEqual(3);
  expect(tries()).toBeLessThanOrEqual(6);
});

it('the back-off settings say how long to wait before a repeat', async () => {
  const { url, opened: tries } = await startFake((socket) => socket.destroy());
  // The longest wait of nothing wins over a base of an hour.
  const quick = { resultBackendBaseSleepBetweenRetriesMs: 3_600_000, resultBackendMaxSleepBetweenRetriesMs: 0 };
  const backend = await opened(setup({ ...quick, resultBackendMaxRetries: 3 }, url));
  await expect(backend.get(['a'])).rejects.toThrow('cannot be reached');
  expect(tries()).toBeGreaterThanOrEqual(4);
});

it('a worker stores its results and a wait goes on, whatever resultBackendAlwaysRetry says', async () => {
  await using redis = await startRedis();
  const app = setup({ resultBackendAlwaysRetry: false }, redis.url);
  const killed = Promise.withResolvers<void>();
  const outlives = app.task('outlives', async () => {
    await redis.kill();
    killed.resolve();
    return 'stored';
  });
  await using _worker = await startWorker(app);
  const result = await outlives.delay();
  const value = result.get({ timeout: 30 });
  await Promise.race([value, killed.promise]);
  await redis.restart();
  expect(await value).toBe('stored');
}, 40_000);

it.each([
  { resultCacheMax: -1, known: [false, false] },
  { resultCacheMax: 1, known: [false, true] },
  { resultCacheMax: 0, known: [true, true] },
  { resultCacheMax: null, known: [true, true] },
])('resultCacheMax $resultCacheMax keeps what was read, as far as it goes', async ({ resultCacheMax, known }) => {
  const app = setup({ resultCacheMax });
  const twice = app.task('twice', (text: string) => ({ text: text + text }));
  await using worker = await startWorker(app);
  const [waited, read] = [await twice.delay('a'), await twice.delay('b')];
  const value = await waited.get({ timeout: 20 });
  await vi.waitFor(async () => expect(await app.results.result(read.id).ready()).toBe(true), 20_000);
  await worker.stop();
  const keys = [waited, read].map(({ id }) => `celery-task-meta-${id}`);
  expect(await administer().call('DEL', keys)).toBe(2);
  const again = [waited, read].map(({ id }) => app.results.result(id));
  expect(await Promise.all(again.map((result) => result.successful()))).toEqual(known);
  if (known[0]) {
    const copy = await again[0]!.get();
    expect(copy).toEqual(value);
    expect(copy).not.toBe(value);
  }
  await Promise.all(again.map((result) => result.forget()));
  const forgotten = [waited, read].map(({ id }) => app.results.result(id).state());
  expect(await Promise.all(forgotten)).toEqual(['PENDING', 'PENDING']);
});
