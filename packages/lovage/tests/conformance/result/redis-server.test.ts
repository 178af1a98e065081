// What needs a Redis of one's own: it dies and comes back, asks for a password, speaks TLS; and what lies in it, byte by byte.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { freePorts, type RedisServer, startRedis, startSentinel } from '../../../../../scripts/servers/index.ts';
import { type BackendOptions, openBackend } from '../../../src/result/index.ts';
import { BackendError, openRedis, parseRedisUrl } from '../../../src/util/index.ts';
import { bodyOf, collect, maker, never, optionsFor, untilEnd } from './harness.ts';

let plain: RedisServer;
let secret: RedisServer;
beforeAll(async () => {
  [plain, secret] = await Promise.all([startRedis(), startRedis({ password: 's3cret', tls: true })]);
});
afterAll(async () => {
  await Promise.all([plain[Symbol.asyncDispose](), secret[Symbol.asyncDispose]()]);
});

/** A wire whose open connections can go dumb: no bytes and no end, as when a router dies. New ones work. */
async function startWire(target: number): Promise<{ readonly port: number; mute(): void } & AsyncDisposable> {
  const open: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const socket of [near, far]) open.push(socket.on('error', () => socket.destroy()));
    near.pipe(far).pipe(near);
  });
  const port = await freePorts();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    mute: () => {
      for (const socket of open) socket.unpipe().pause();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

const onPlain = (more?: Partial<BackendOptions>): BackendOptions => optionsFor(plain.url, more);

it('waits over the death and return of the server', async () => {
  const id = randomUUID();
  const reader = untilEnd(await openBackend(onPlain()));
  const writer = untilEnd(await openBackend(onPlain()));
  const make = await maker(reader);
  await writer.put([make(`${id}-first`, 'SUCCESS')]);
  const watch = reader.watch([`${id}-first`, id], never)[Symbol.asyncIterator]();
  await watch.next();
  await plain.kill();
  // Both while it is away and after: the put is patient, and so is the wait.
  const stored = writer.put([make(id, 'SUCCESS')]);
  await plain.restart();
  expect(await stored).toEqual([]);
  expect((await watch.next()).value).toMatchObject({ id, state: 'SUCCESS' });
});

it('notices a line that went dumb without a word', async () => {
  const id = randomUUID();
  await using wire = await startWire(plain.port);
  const reader = untilEnd(await openBackend(optionsFor(`redis://127.0.0.1:${wire.port}/0`)));
  const writer = untilEnd(await openBackend(onPlain()));
  const make = await maker(reader);
  await writer.put([make(`${id}-first`, 'SUCCESS')]);
  const watch = reader.watch([`${id}-first`, id], never)[Symbol.asyncIterator]();
  await watch.next();
  const next = watch.next();
  wire.mute();
  await writer.put([make(id, 'SUCCESS')]);
  expect((await next).value).toMatchObject({ id });
});

it('writes the key, the bytes, the expiry and the message that Celery would', async () => {
  await using admin = openRedis({ target: parseRedisUrl(plain.url), connectTimeout: 5, name: 'admin' });
  const heard: unknown[] = [];
  await using listener = openRedis({
    target: parseRedisUrl(plain.url),
    connectTimeout: 5,
    name: 'listener',
    prepare: async (client) => {
      client.on('pmessage', (_pattern: string, channel: string, body: string) => heard.push([channel, body]));
      await client.psubscribe('*');
    },
  });
  await listener.ready();
  const backend = untilEnd(await openBackend(onPlain({ transportOptions: { global_keyprefix: 'myapp' } })));
  const make = await maker(backend);
  await backend.put([make('res-17', 'SUCCESS', { expires: 86_400 }), make('res-18', 'SUCCESS', { expires: undefined })]);
  const body = Buffer.from(bodyOf('res-17', 'SUCCESS')).toString();
  expect(await admin.call('GET', ['myapp_celery-task-meta-res-17'])).toBe(body);
  expect(Number(await admin.call('TTL', ['myapp_celery-task-meta-res-17']))).toBeGreaterThan(86_390);
  expect(await admin.call('TTL', ['myapp_celery-task-meta-res-18'])).toBe(-1);
  await vi.waitFor(() => expect(heard).toContainEqual(['myapp_celery-task-meta-res-17', body]), 20_000);
  expect(await admin.call('KEYS', ['myapp*lovage*'])).toEqual([]);
});

it('waits for more results than a call can have arguments', async () => {
  const backend = untilEnd(await openBackend(onPlain()));
  const make = await maker(backend);
  const ids = Array.from({ length: 200_000 }, (_, index) => `many-${index}`);
  const stop = new AbortController();
  const watch = backend.watch(ids, stop.signal)[Symbol.asyncIterator]();
  const next = watch.next();
  await backend.put([make('many-199999', 'SUCCESS')]);
  expect((await next).value).toMatchObject({ id: 'many-199999' });
  stop.abort(new Error('enough'));
  await expect(watch.next()).rejects.toThrow('enough');
});

it('subscribes at get and leaves no subscription behind', async () => {
  await using admin = openRedis({ target: parseRedisUrl(plain.url), connectTimeout: 5, name: 'admin' });
  const channels = async (): Promise<unknown> => admin.call('PUBSUB', ['CHANNELS', 'celery-task-meta-quiet*']);
  const backend = untilEnd(await openBackend(onPlain()));
  const make = await maker(backend);
  expect(await channels()).toEqual([]);
  const done = collect(backend.watch(['quiet-1', 'quiet-2'], never));
  await vi.waitFor(async () => expect(await channels()).toHaveLength(2), { timeout: 20_000, interval: 10 });
  await backend.put([make('quiet-1', 'SUCCESS'), make('quiet-2', 'FAILURE')]);
  await done;
  await vi.waitFor(async () => expect(await channels()).toEqual([]), { timeout: 20_000, interval: 10 });
});

it('logs in with a password over TLS, and masks it', async () => {
  const tls = { ca: readFileSync(secret.caFile ?? '', 'utf8') };
  const backend = untilEnd(await openBackend(optionsFor(secret.url, { tls })));
  const make = await maker(backend);
  expect(await backend.put([make('a', 'SUCCESS')])).toEqual([]);
  expect(await collect(backend.watch(['a'], never))).toHaveLength(1);
  expect(backend.url).not.toContain('s3cret');
});

it('says at once, to readers, writers and waiters, that a password is wrong', async () => {
  const tls = { ca: readFileSync(secret.caFile ?? '', 'utf8') };
  const backend = untilEnd(await openBackend(optionsFor(secret.url.replace('s3cret', 'guess'), { tls })));
  const make = await maker(backend);
  await expect(backend.put([make('a', 'SUCCESS')])).rejects.toBeInstanceOf(BackendError);
  await expect(backend.get(['a'])).rejects.toThrow(/login|WRONGPASS/);
  await expect(collect(backend.watch(['a'], never))).rejects.toThrow(/login|WRONGPASS/);
});

it('finds the master that the sentinels name', async () => {
  await using set = await startSentinel();
  const transportOptions = { master_name: set.masterName };
  const backend = untilEnd(await openBackend(optionsFor(set.url, { transportOptions })));
  const make = await maker(backend);
  expect(await backend.put([make('a', 'SUCCESS')])).toEqual([]);
  expect(await collect(backend.watch(['a'], never))).toHaveLength(1);
});
