// The suite over a memcached, over several, and over the cache in memory; and what is memcached's alone.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type MemcachedServer, startMemcached } from '../../../../../scripts/servers/index.ts';
import { openBackend } from '../../../src/result/index.ts';
import { memcachedLife, serverOf } from '../../../src/result/memcached/keys.ts';
import { openMemcached } from '../../../src/result/memcached/line.ts';
import { startProxy } from '../../support/proxy.ts';
import { describeBackend } from './describe-backend.ts';
import { bodyOf, eventually, maker, optionsFor, untilEnd } from './harness.ts';

let servers: readonly MemcachedServer[];
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  servers = await Promise.all([startMemcached(), startMemcached(), startMemcached()]);
  proxy = await startProxy(servers[0]?.url.replace('cache+memcached', 'tcp') ?? '');
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
});

const quick = { transportOptions: { pollInterval: 0.05 } };
const place = (index: number): string => `127.0.0.1:${servers[index]?.port}`;
const line = () => openMemcached({ host: '127.0.0.1', port: servers[0]?.port ?? 0, timeout: 5 });

describeBackend('memcached', {
  options: () => optionsFor(`cache+memcached://127.0.0.1:${proxy.port}/`, quick),
  cut: async () => {
    proxy.cut();
  },
});

describeBackend('three memcacheds', {
  options: () => optionsFor(`cache+pylibmc://${place(0)};${place(1)};${place(2)}/`, quick),
});

describeBackend('cache memory', { options: () => optionsFor('cache+memory://') });

it('writes the key, the text and the flag that Celery writes', async () => {
  using raw = line();
  const backend = untilEnd(await openBackend(optionsFor(`cache+memcached://${place(0)}/`)));
  const make = await maker(backend);
  const id = randomUUID();
  await backend.put([make(id, 'SUCCESS', { expires: 86_400 })]);
  const found = await raw.gets([`celery-task-meta-${id}`]);
  expect(found.get(`celery-task-meta-${id}`)?.value).toEqual(Buffer.from(bodyOf(id, 'SUCCESS')));
  const about = await raw.command(`mg celery-task-meta-${id} f t`);
  const [, flag, life] = /f(\d+) t(-?\d+)/.exec(about) ?? [];
  expect(flag).toBe('16');
  expect(Number(life)).toBeGreaterThan(86_390);
});

it('keeps a result that lives longer than the 30 days that memcached can count', async () => {
  const backend = untilEnd(await openBackend(optionsFor(`cache+memcached://${place(0)}/`)));
  const make = await maker(backend);
  const id = randomUUID();
  await backend.put([make(id, 'SUCCESS', { expires: 90 * 86_400 })]);
  await eventually(backend, id, 'SUCCESS');
  expect([memcachedLife(undefined), memcachedLife(0.2), memcachedLife(2_592_000), memcachedLife(2_592_001, 5000)]).toEqual([
    0, 1, 2_592_000, 2_592_006,
  ]);
});

it('keeps ids that are no keys of memcached, without a command in them being run', async () => {
  const backend = untilEnd(await openBackend(optionsFor(`cache+memcached://${place(0)}/`)));
  const make = await maker(backend);
  const ids = ['two words', 'x\r\nflush_all\r\n', 'ü', 'y'.repeat(300)];
  expect(await backend.put(ids.map((id) => make(id, 'SUCCESS')))).toEqual([]);
  expect([...(await backend.get(ids)).keys()]).toEqual(ids);
});

it('lets one of two who write a SUCCESS at once win, whoever it is', async () => {
  const backends = await Promise.all([0, 1, 2, 3].map(() => openBackend(optionsFor(`cache+memcached://${place(0)}/`))));
  for (const backend of backends) untilEnd(backend);
  const make = await maker(backends[0] as never);
  for (let round = 0; round < 25; round++) {
    const id = randomUUID();
    const puts = backends.map((backend, index) => backend.put([make(id, 'SUCCESS', { body: bodyOf(id, 'SUCCESS', index) })]));
    expect((await Promise.all(puts)).flat()).toHaveLength(3);
  }
});

it('spreads keys over servers as python-memcached does', () => {
  // binascii.crc32(key) >> 16 & 0x7fff or 1, modulo the number of servers.
  expect(['celery-task-meta-a', 'celery-task-meta-b', 'celery-task-meta-c'].map((key) => serverOf(key, 3))).toEqual([1, 2, 0]);
});

it('refuses a cache that it does not know', async () => {
  await expect(openBackend(optionsFor('cache+memcachd://127.0.0.1/'))).rejects.toThrow(/memcache/);
});
