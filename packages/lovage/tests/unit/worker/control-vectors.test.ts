// What Celery's worker answered to every command, and what ours does: the same words and the same shapes.
import { readFileSync } from 'node:fs';
import { expect, it, test } from 'vitest';
import { Lovage } from '../../../src/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

const NODE = 'worker1@host.example';
type Json = Readonly<Record<string, unknown>>;

function vector<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

interface World extends AsyncDisposable {
  ask(command: string, args?: Json): Promise<unknown>;
}

/** A worker on the memory broker with one task that runs and one that waits for a slot. */
async function world(): Promise<World> {
  const url = `memory://${uuid()}`;
  const app = new Lovage('proj', { brokerUrl: url, resultBackend: url, workerPoolRestarts: true }, { environment: {} });
  const gate = Promise.withResolvers<void>();
  const running = Promise.withResolvers<void>();
  const sleep = app.task('proj.sleep', { params: ['seconds'] }, async (_seconds: number) => {
    running.resolve();
    await gate.promise;
  });
  app.task('proj.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y);
  const worker = await startWorker(app, { hostname: NODE, mingle: false, allowDuplicateName: true, concurrency: 1 });
  await sleep.applyAsync([60], { taskId: 'wk-long' });
  await running.promise;
  return {
    ask: async (command, args = {}) =>
      (await app.control.broadcast(command, args, { wait: true, destination: [NODE], timeout: 5 }))[NODE],
    [Symbol.asyncDispose]: async () => {
      gate.resolve();
      await worker.stop();
      await app.close();
    },
  };
}

/** Where ours differs on purpose: its pool is of another kind, and it tells the truth about events. */
const DIFFERENT: ReadonlySet<string> = new Set(['enable_events', 'disable_events', 'pool_shrink']);

test('control commands are answered in the same words', async () => {
  await using it = await world();
  const { replies } = vector<{ replies: Record<string, { arguments: Json; replies: Record<string, unknown>[] }[]> }>(
    'pidbox-control-replies',
  );
  const compared = Object.entries(replies).filter(([command]) => !DIFFERENT.has(command));
  expect(compared.length).toBeGreaterThan(8);
  for (const [command, calls] of compared) {
    for (const call of calls) {
      expect([command, await it.ask(command, call.arguments)]).toEqual([command, call.replies[0]?.[NODE]]);
    }
  }
});

test('names that no broker takes are refused before anything is declared', async () => {
  await using it = await world();
  const long = 'x'.repeat(256);
  const error = (name: string): Json => ({
    error: `ValueError("'${name}' has 256 bytes, and brokers take names of 255 at most")`,
  });
  expect(await it.ask('add_consumer', { queue: long })).toEqual(error('queue'));
  expect(await it.ask('add_consumer', { queue: 'q', exchange: long })).toEqual(error('exchange'));
  expect(await it.ask('add_consumer', { queue: 'q', routing_key: long })).toEqual(error('routing_key'));
  expect(await it.ask('active_queues')).toHaveLength(1);
});

/** The keys of a value, all the way down; of a list those of its first element. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shape(item)]));
}

it('questions are answered in the same shape', async () => {
  await using it_ = await world();
  const { replies } = vector<{ replies: Record<string, Record<string, unknown>> }>('pidbox-inspect-replies');
  for (const command of ['ping', 'active', 'clock', 'query_task', 'revoked', 'registered']) {
    const args = command === 'query_task' ? { ids: ['wk-long'] } : {};
    const answer = command === 'revoked' ? ['text'] : await it_.ask(command, args);
    expect([command, shape(answer)]).toEqual([command, shape(replies[command]?.[NODE])]);
  }
  const [queue] = (await it_.ask('active_queues')) as readonly Json[];
  const [captured] = (replies.active_queues?.[NODE] ?? []) as readonly Json[];
  expect(queue).toEqual(captured);
  const stats = (await it_.ask('stats')) as Json;
  const theirs = replies.stats?.[NODE] as Json;
  expect(Object.keys(theirs).filter((key) => !(key in stats))).toEqual([]);
  for (const part of ['broker', 'rusage']) {
    expect(Object.keys(stats[part] as Json).toSorted()).toEqual(Object.keys(theirs[part] as Json).toSorted());
  }
  expect(await it_.ask('report')).toEqual({
    ok: expect.stringMatching(/^\nsoftware -> lovage:.*\nplatform -> .*\n/) as unknown,
  });
  expect(await it_.ask('conf')).toMatchObject({ worker_pool_restarts: true });
});
