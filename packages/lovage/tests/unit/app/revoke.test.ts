// Revoking: the command that goes out is the one that Celery's remote control sends.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Lovage } from '../../../src/app/lovage.ts';
import type { Message } from '../../../src/broker/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { bodyOf, setup, waiting } from './support.ts';

interface Captured {
  readonly body: { readonly json: Record<string, unknown> };
  readonly envelope: { readonly properties: Record<string, unknown>; readonly headers: Record<string, unknown> };
}

function captured(name: string): Captured {
  const text = readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly published: readonly Captured[] }).published[0]!;
}

/** An app, and what reached a queue that hears its commands, as a worker's would. */
async function hearing(): Promise<{ readonly app: Lovage; readonly heard: () => Promise<readonly Message[]> }> {
  const app = setup({ controlExchange: 'celery' });
  const broker = await app.openBroker('write');
  await broker.declare({
    exchanges: [{ name: 'celery.pidbox', type: 'fanout', durable: false }],
    queues: [{ name: 'node.celery.pidbox', durable: false, arguments: {} }],
    bindings: [{ queue: 'node.celery.pidbox', exchange: 'celery.pidbox', routingKey: '' }],
  });
  return { app, heard: () => waiting(app, 'node.celery.pidbox') };
}

it('a revoke is sent as Celery sends it', async () => {
  const { app, heard } = await hearing();
  await app.result('task-1').revoke();
  const [message] = await heard();
  const vector = captured('pidbox-revoke');
  expect(bodyOf(message)).toEqual(vector.body.json);
  expect(Object.keys(message?.headers ?? {})).toEqual(Object.keys(vector.envelope.headers));
  expect(message?.headers.clock).toBe(vector.envelope.headers.clock);
  expect(Number(message?.headers.expires)).toBeGreaterThan(Date.now() / 1000 - 5);
  expect(message?.properties).toMatchObject({ deliveryMode: 2, priority: 0, contentType: 'application/json' });
  await app.close();
});

it('several are revoked and stopped by one message to one worker', async () => {
  const { app, heard } = await hearing();
  const vector = captured('pidbox-revoke-terminate');
  const { task_id: ids, signal } = vector.body.json.arguments as { readonly task_id: string[]; readonly signal: `SIG${string}` };
  const destination = vector.body.json.destination as string[];
  await app.results.set(ids).revoke({ terminate: signal, destination });
  const messages = await heard();
  expect(messages.map(bodyOf)).toEqual([vector.body.json]);
  await app.close();
});

it('tasks are revoked by their stamps', async () => {
  const { app, heard } = await hearing();
  await app.result('any').revokeByStampedHeaders({ tenant: ['a', 'b'] }, { terminate: true });
  const [message] = await heard();
  expect(bodyOf(message)).toMatchObject({
    method: 'revoke_by_stamped_headers',
    arguments: { headers: { tenant: ['a', 'b'] }, terminate: true, signal: 'SIGTERM' },
  });
  await expect(app.result('any').revokeByStampedHeaders({})).rejects.toBeInstanceOf(ConfigurationError);
  await app.close();
});

it('nothing is sent for no tasks', async () => {
  const { app, heard } = await hearing();
  expect(await app.results.set().revoke()).toEqual([]);
  expect(await heard()).toEqual([]);
  await app.close();
});
