// Groups, tuples and revokes between Lovage and Celery on one Redis: what one saved, the other restores.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AsyncResult, GroupResult } from '../../src/index.ts';
import { openRedis, parseRedisUrl } from '../../src/util/index.ts';
import { redisUrl } from '../support/servers.ts';
import { type Interop, startInterop } from './environment.ts';

let interop: Interop;
beforeAll(async () => {
  interop = await startInterop('Redis');
  interop.app.task('js.spawn', () => interop.app.sendTask('py.echo', { args: ['spawned'], queue: interop.pyQueue }));
  await interop.py.run('from celery.result import GroupResult, result_from_tuple\nNone');
});
afterAll(() => interop?.[Symbol.asyncDispose]());

const send = (value: unknown): Promise<AsyncResult<unknown>> =>
  interop.app.sendTask('py.echo', { args: [value], queue: interop.pyQueue });

describe('a group saved by Python', () => {
  it('is restored and waited for here, with its parent and nested groups, and deleted for both', async () => {
    const { app, py, pyQueue } = interop;
    const id = randomUUID();
    const tuple = await py.run(
      [
        `before = send('py.echo', 'before', queue='${pyQueue}')`,
        `members = [send('py.echo', n, queue='${pyQueue}') for n in range(3)]`,
        `inner = GroupResult('${id}-inner', members[1:])`,
        `outer = GroupResult('${id}', [members[0], inner], parent=before)`,
        'outer.save()',
        'outer.as_tuple()',
      ].join('\n'),
    );
    const group = await app.results.restoreGroup<[number, number[]]>(id);
    expect(group).toBeInstanceOf(GroupResult);
    expect(group?.asTuple()).toEqual(tuple);
    expect(await group?.get({ timeout: 30 })).toEqual([0, [1, 2]]);
    await group?.delete();
    expect(await py.run(`GroupResult.restore('${id}', app=app)`)).toBeNull();
  });
});

describe('a group saved here', () => {
  it('is restored and waited for by Python, with its parent and nested groups, and deleted for both', async () => {
    const { app, py } = interop;
    const id = randomUUID();
    const [before, ...members] = await Promise.all(['before', 'a', 'b', 'c'].map(send));
    const inner = app.results.group(`${id}-inner`, members.slice(1));
    const group = app.results.group<[unknown, unknown[]]>(id, [members[0]!, inner], { parent: before });
    await group.save();
    expect(await py.run(`restored = GroupResult.restore('${id}', app=app)\nrestored.as_tuple()`)).toEqual(group.asTuple());
    expect(await py.run('restored.get(timeout=30)')).toEqual(['a', ['b', 'c']]);
    await py.run('restored.delete()');
    expect(await app.results.restoreGroup(id)).toBeUndefined();
  });

  it('lives as long as one that Python saved, under the same key and with the same bytes but for spaces', async () => {
    const { app, py } = interop;
    const [ours, theirs] = [randomUUID(), randomUUID()];
    await app.results.group(ours, [app.result('member')]).save();
    await py.run(`GroupResult('${theirs}', [AsyncResult('member')]).save()\nNone`);
    await using redis = openRedis({ target: parseRedisUrl(redisUrl()), connectTimeout: 5, name: 'look' });
    const look = async (id: string): Promise<unknown> => {
      const key = `celery-taskset-meta-${id}`;
      const ttl = Number(await redis.call('TTL', [key]));
      const text = `${await redis.call('GET', [key])}`;
      return { minutes: Math.round(ttl / 60), record: JSON.parse(text.replaceAll(id, 'the id')) as unknown };
    };
    expect(await look(ours)).toEqual(await look(theirs));
  });
});

describe('a task that returns a result', () => {
  it('here stores a tuple that Python follows', async () => {
    const { py, jsQueue } = interop;
    expect(await py.run(`result_from_tuple(call('js.spawn', queue='${jsQueue}')).get(timeout=30)`)).toBe('spawned');
  });

  it('in Python stores a tuple that is followed here', async () => {
    const { app, py, pyQueue } = interop;
    // As its worker would write it: the tuple in place of the value.
    const id = randomUUID();
    await py.run(
      `inner = send('py.echo', 'inner', queue='${pyQueue}')\napp.backend.store_result('${id}', inner, 'SUCCESS')\nNone`,
    );
    const tuple = await app.result(id).get({ timeout: 30 });
    expect(await app.results.fromTuple(tuple).get({ timeout: 30 })).toBe('inner');
  });
});

describe('a revoke from here', () => {
  it('keeps a Python worker from running the tasks, one and many', async () => {
    const { app, py, pyQueue } = interop;
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    await app.result(ids[0]!).revoke();
    await app.results.set(ids.slice(1)).revoke();
    const known = `until(lambda: all(id in str(app.control.inspect(timeout=1).revoked()) for id in ${JSON.stringify(ids)}))`;
    expect(await py.run(known)).toBe(true);
    const sent = ids.map((taskId) => app.sendTask('py.echo', { args: [1], queue: pyQueue, taskId }));
    const errors = await app.results.set(await Promise.all(sent)).get({ timeout: 30, propagate: false });
    expect(errors.map((error) => (error instanceof Error ? [error.name, error.message] : error))).toEqual(
      ids.map(() => ['TaskRevokedError', 'revoked']),
    );
  });
});
