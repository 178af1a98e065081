// Chords that a Celery client sends where Celery counts their members itself: a Lovage worker that ends one of them looks after the rest.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startMemcached } from '../../../../scripts/servers/index.ts';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { redisUrl } from '../support/servers.ts';
import { type PythonClient, startPythonClient, startPythonWorker } from './peer.ts';

const stack = new AsyncDisposableStack();
let py: PythonClient;
beforeAll(async () => {
  const server = stack.use(await startMemcached());
  const prefix = `counted-${process.pid}`;
  const [js, python] = [`${prefix}.js`, `${prefix}.py`];
  const peers = { broker: redisUrl(), backend: server.url, prefix, module: 'canvas' };
  const app = new Lovage('counted', { brokerUrl: redisUrl(), resultBackend: peers.backend, taskDefaultQueue: js });
  stack.defer(() => app.close());
  app.task('js.add', (x: number, y: number) => x + y);
  app.task('js.listed', (values: unknown) => values);
  app.task('js.boom', () => {
    throw new RangeError('boom');
  });
  stack.use(await startWorker(app, { concurrency: 10, hostname: `${prefix}@js` }));
  stack.use(await startPythonWorker({ ...peers, queues: [python, python] }));
  py = stack.use(startPythonClient({ ...peers, queues: [js, python] }));
  await py.run('from canvas import *\nNone');
});
afterAll(() => stack.disposeAsync());

test.each([
  ['on Lovage workers', "told(chord([js('add', i, i) for i in range(4)])(js('listed')))", [0, 2, 4, 6]],
  ['on workers of both languages', "told(chord([js('add', 1, 1), py('add', 2, 2)])(js('listed')))", [2, 4]],
  ['with a chain in its header', "told(chord([chain(js('add', 1, 1), js('add', 5)), js('add', 2, 2)])(js('listed')))", [7, 4]],
  ['with a member that fails', "state(chord([js('boom'), js('add', 1, 1)])(js('listed')))[0]", 'FAILURE'],
])('a chord %s ends', async (_, code, expected) => {
  expect(await py.run(code)).toEqual(expected);
});
