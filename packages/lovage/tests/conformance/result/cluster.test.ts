// The suite over a Redis Cluster of three masters, with keys spread over all of them and with keys kept together by a hash tag.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RedisCluster, startCluster } from '../../../../../scripts/servers/index.ts';
import { Lovage } from '../../../src/app/index.ts';
import { chord } from '../../../src/index.ts';
import { openBackend } from '../../../src/result/index.ts';
import { ConfigurationError, openRedis, parseRedisUrl } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { describeBackend } from './describe-backend.ts';
import { describeChords } from './describe-chords.ts';
import { bodyOf, eventually, maker, never, optionsFor, untilEnd } from './harness.ts';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster[Symbol.asyncDispose]());

const onCluster = (globalKeyprefix: string, pollInterval = 0.05) =>
  optionsFor(cluster.url, { transportOptions: { globalKeyprefix, pollInterval } });

/** Ends the lines of all clients to all nodes. */
async function cut(): Promise<void> {
  for (const { url } of cluster.nodes) {
    await using admin = openRedis({ target: parseRedisUrl(url), connectTimeout: 5, name: 'cutter' });
    await admin.call('CLIENT', ['KILL', 'TYPE', 'normal']);
    await admin.call('CLIENT', ['KILL', 'TYPE', 'pubsub']);
  }
}

describeBackend('redis cluster', { options: () => onCluster('spread'), cut });
describeBackend('redis cluster, hash tag', { options: () => onCluster('{tagged}'), cut });
describeChords('redis cluster, hash tag', { options: () => onCluster('{chords}') });

it('is asked anew after the client has given up', async () => {
  await using proxy = await startProxy(cluster.nodes[0]?.url ?? '');
  proxy.refuse();
  const options = { retry: { maxRetries: 0, baseSleep: 1, maxSleep: 1 }, connectTimeout: 1 };
  await using backend = await openBackend(optionsFor(`redis+cluster://127.0.0.1:${proxy.port}`, options));
  await expect(backend.get(['nobody'])).rejects.toThrow('None of startup nodes is available');
  proxy.refuse(false);
  expect((await backend.get(['nobody'])).size).toBe(0);
});

it('has a fence only where a hash tag keeps record and fence in one slot', async () => {
  expect(untilEnd(await openBackend(onCluster('spread'))).features.fence).toBe(false);
  expect(untilEnd(await openBackend(onCluster('shop:{a}'))).features.fence).toBe(true);
});

it('spreads results over the nodes, under the names that Celery gives them, with their expiry', async () => {
  const backend = untilEnd(await openBackend(onCluster('names')));
  const make = await maker(backend);
  const ids = Array.from({ length: 30 }, () => randomUUID());
  await backend.put(ids.map((id) => make(id, 'SUCCESS', { expires: 600 })));
  let found = 0;
  for (const { url } of cluster.nodes) {
    await using admin = openRedis({ target: parseRedisUrl(url), connectTimeout: 5, name: 'looker' });
    const keys = (await admin.call('KEYS', ['names_celery-task-meta-*'])) as string[];
    expect(keys.length).toBeGreaterThan(0);
    found += keys.length;
    expect(Number(await admin.call('TTL', [keys[0] ?? '']))).toBeGreaterThan(590);
  }
  expect(found).toBe(30);
});

it('hears of a result at once, from whichever node it is published', async () => {
  const reader = untilEnd(await openBackend(onCluster('heard', 600)));
  const writer = untilEnd(await openBackend(onCluster('heard', 600)));
  const make = await maker(reader);
  const ids = Array.from({ length: 10 }, () => randomUUID());
  const barrier = randomUUID();
  const watch = reader.watch([barrier, ...ids], never)[Symbol.asyncIterator]();
  const first = watch.next();
  // The subscription is on its way: told again until it is there.
  await expect
    .poll(async () => {
      await writer.put([make(`${barrier}`, 'FAILURE', { body: bodyOf(barrier, 'FAILURE', Math.random()) })]);
      return Promise.race([first.then(() => true), new Promise((resolve) => setTimeout(resolve, 50, false))]);
    })
    .toBe(true);
  await writer.put(ids.map((id) => make(id, 'SUCCESS')));
  const rest = new Set<string>();
  while (rest.size < ids.length) rest.add((await watch.next()).value?.id ?? '');
  expect(rest).toEqual(new Set(ids));
});

it('counts chords where a hash tag keeps their keys in one slot, and refuses them, with the cure, where none does', async () => {
  await using stack = new AsyncDisposableStack();
  const appOn = (globalKeyprefix: string) => {
    const url = `memory://${randomUUID()}`;
    const resultBackendTransportOptions = { globalKeyprefix, pollInterval: 0.05 };
    const settings = { brokerUrl: url, resultBackend: cluster.url, resultBackendTransportOptions };
    const app = stack.use(new Lovage('cluster', settings, { environment: {} }));
    const add = app.task('add', (x: number, y: number) => x + y);
    const sum = app.task('sum', (numbers: number[]) => numbers.reduce((all, each) => all + each, 0));
    return { app, canvas: chord([add.s(1, 2), add.s(3, 4)], sum.s()) };
  };
  const tagged = appOn('{shop}');
  stack.use(await startWorker(tagged.app));
  expect(await (await tagged.canvas.delay()).get({ timeout: 20 })).toBe(10);
  await expect(appOn('spread').canvas.delay()).rejects.toThrow(/one slot only.*globalKeyprefix: '\{shop\}'/s);
});

it('finds its way when a slot moves to another node', async () => {
  const backend = untilEnd(await openBackend(onCluster('{moving}')));
  const make = await maker(backend);
  await backend.put([make('before', 'SUCCESS')]);
  const [first] = cluster.nodes;
  await using admin = openRedis({ target: parseRedisUrl(first?.url ?? ''), connectTimeout: 5, name: 'mover' });
  const slot = String(await admin.call('CLUSTER', ['KEYSLOT', '{moving}']));
  const ids = await Promise.all(
    cluster.nodes.map(async ({ url }) => {
      await using node = openRedis({ target: parseRedisUrl(url), connectTimeout: 5, name: 'mover' });
      return {
        url,
        id: String(await node.call('CLUSTER', ['MYID'])),
        holds: Number(await node.call('CLUSTER', ['COUNTKEYSINSLOT', slot])),
      };
    }),
  );
  const target = ids.find(({ holds }) => holds === 0);
  const owner = ids.find(({ holds }) => holds > 0);
  await backend.forget(['before']);
  const tell = async (url: string, ...what: readonly string[]): Promise<void> => {
    await using node = openRedis({ target: parseRedisUrl(url), connectTimeout: 5, name: 'mover' });
    await node.call('CLUSTER', ['SETSLOT', slot, ...what]);
  };
  // Who imports a slot gets a new epoch with it, so that no older word of its owner counts any more.
  await tell(target?.url ?? '', 'IMPORTING', owner?.id ?? '');
  await tell(target?.url ?? '', 'NODE', target?.id ?? '');
  for (const one of ids) if (one !== target) await tell(one.url, 'NODE', target?.id ?? '');
  expect(await backend.put([make('after', 'SUCCESS')])).toEqual([]);
  await eventually(backend, 'after', 'SUCCESS');
});

it('refuses an address without a node, and says which cluster is away', async () => {
  await expect(untilEnd(await openBackend(optionsFor('redis+cluster://'))).get(['a'])).rejects.toBeInstanceOf(ConfigurationError);
  const retry = { maxRetries: 0, baseSleep: 10, maxSleep: 10 };
  const away = untilEnd(await openBackend(optionsFor('redis+cluster://u:secret@127.0.0.1:1', { retry })));
  await expect(away.get(['a'])).rejects.toThrow(/Redis Cluster that holds the results failed/);
  expect(away.url).not.toContain('secret');
});
