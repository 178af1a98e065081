// A Python worker and Lovage on one queue, in Celery's mode: each gives back what the other held when it died, once and marked.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startRedis } from '../../../../../scripts/servers/index.ts';
import { type Outgoing, openBroker } from '../../../src/broker/index.ts';
import { brokerOptions, freshQueue, message, publish, read } from './harness.ts';
import { endLeases, plainLine } from './redis-harness.ts';

const APP = `
import os, time
from celery import Celery
app = Celery('peer', broker=os.environ['PEER_URL'])
app.conf.update(task_acks_late=True, task_default_queue=os.environ['PEER_QUEUE'], worker_prefetch_multiplier=1,
                broker_transport_options={'visibility_timeout': 2, 'global_keyprefix': 'peers:'})

def note(self, name):
    with open(os.environ['PEER_LOG'], 'a') as log:
        log.write('%s %s\\n' % (name, bool(self.request.delivery_info.get('redelivered'))))

@app.task(name='peer.note', bind=True)
def quick(self, name):
    note(self, name)

@app.task(name='peer.hang', bind=True)
def hang(self, name):
    note(self, name)
    time.sleep(600)
`;

/** A call of a task of the Python app. */
function call(queue: string, task: string, name: string): Outgoing {
  const id = randomUUID();
  return message(queue, JSON.stringify([[name], {}, { callbacks: null, errbacks: null, chain: null, chord: null }]), {
    headers: { lang: 'js', task, id, root_id: id, parent_id: null, retries: 0, eta: null, expires: null, group: null },
    properties: { contentType: 'application/json', contentEncoding: 'utf-8', correlationId: id },
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('what a dead Python worker held comes to Lovage, and what a dead Lovage worker held to Python', async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startRedis());
  const line = stack.use(plainLine(server.url));
  const folder = mkdtempSync(join(tmpdir(), 'lovage-peer-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, 'log');
  writeFileSync(join(folder, 'peer.py'), APP);
  appendFileSync(log, '');
  const transportOptions = {
    inFlight: 'celery',
    globalKeyprefix: 'peers:',
    visibilityTimeout: 2,
    unackedRestoreInterval: 0.2,
    unackedRestoreThrottle: 1,
  };
  const open = () => openBroker(brokerOptions(server.url, { transportOptions }));
  const broker = await open();
  const queue = await freshQueue(broker);
  const python = (): ChildProcess => {
    const args = ['-m', 'celery', '-A', 'peer', 'worker', '-P', 'solo', '--without-gossip', '--without-mingle', '-l', 'ERROR'];
    const env = { ...process.env, PEER_URL: server.url, PEER_QUEUE: queue, PEER_LOG: log, C_FORCE_ROOT: '1' };
    const child = spawn('/usr/bin/python3', args, { cwd: folder, env, stdio: 'ignore' });
    stack.defer(() => ended(child));
    return child;
  };
  const told = (): string => readFileSync(log, 'utf8');

  const first = python();
  await publish(broker, call(queue, 'peer.hang', 'held-by-python'));
  await expect.poll(told, { timeout: 30_000 }).toBe('held-by-python False\n');
  await ended(first);
  const reader = await read(broker, queue);
  const back = await reader.one();
  expect([back.headers.task, back.redelivered]).toEqual(['peer.hang', true]);
  await reader.ack(back);
  expect(await line.call('EXISTS', ['peers:unacked', 'peers:unacked_index'])).toBe(0);

  await publish(broker, call(queue, 'peer.note', 'held-by-lovage'));
  await reader.one();
  // Dies here, as far as Redis can see: its line is silent and nobody keeps the scores of its entries.
  const entries = (await line.call('HGETALL', ['peers:unacked'])) as string[];
  const held = (await line.call('KEYS', ['peers:lovage.held.*'])) as string[];
  const fields = (await line.call('HGETALL', held)) as string[];
  const [incarnation = ''] = (await line.call('SMEMBERS', ['peers:lovage.holders'])) as string[];
  await reader[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
  await line.call('DEL', [`peers:${queue}`]);
  await line.call('HSET', ['peers:unacked', ...entries]);
  await line.call('ZADD', ['peers:unacked_index', Date.now() / 1000 - 10, entries[0] ?? '']);
  await line.call('HSET', [held[0] ?? '', ...fields]);
  await line.call('SADD', ['peers:lovage.holders', incarnation]);
  await line.call('SET', [`peers:lovage.lease.${incarnation}`, '1']);

  python();
  await expect.poll(told, { timeout: 30_000 }).toContain('held-by-lovage True\n');
  await expect.poll(() => line.call('EXISTS', ['peers:unacked'])).toBe(0);
  // Lovage comes back and buries its dead: what Python has done is not done again.
  await endLeases(line, 'peers:');
  await using again = await open();
  await using _watching = await again.subscribe([queue], { prefetch: 0, node: 'again@host' });
  await expect.poll(() => line.call('EXISTS', held), { timeout: 10_000 }).toBe(0);
  expect(told()).toBe('held-by-python False\nheld-by-lovage True\n');
  expect(await line.call('LLEN', [`peers:${queue}`])).toBe(0);
});
