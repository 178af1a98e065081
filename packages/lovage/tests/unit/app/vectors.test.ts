// What Celery sent, captured: the same call here gives the same headers, properties and body.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseTime, type WireSignature } from '../../../src/protocol/index.ts';
import { Float } from '../../../src/serialization/index.ts';
import type { CallOptions } from '../../../src/task/index.ts';
import { bodyOf, setup } from './support.ts';

interface Captured {
  readonly headers: Record<string, unknown>;
  readonly properties: Record<string, unknown>;
}
interface Vector {
  readonly messages: readonly { readonly envelope: Captured; readonly body: { readonly json: unknown } }[];
}

const now = parseTime('2026-01-02T03:04:05.678901+00:00')!;
const clock = { now: () => now, monotonic: () => 0 };
const topic = {
  taskQueues: [{ name: 'celery' }, { name: 'media', exchange: 'media', exchangeType: 'topic' as const, routingKey: 'media.#' }],
};

/** The calls of the vectors, in TypeScript: options, arguments, keyword arguments. */
const calls: Record<string, readonly [options: CallOptions, args?: readonly unknown[], kwargs?: Record<string, unknown>]> = {
  'call-simple': [{}, [2, 2]],
  'call-no-args': [{}, []],
  'call-kwargs': [{}, [], { x: 2, y: 3 }],
  'call-args-kwargs': [{}, [1, 'two'], { three: new Float(3), four: null, five: true }],
  'call-task-id': [{ taskId: 'my-own-id' }, [1, 1]],
  'option-add-to-parent-false': [{ addToParent: false }],
  'option-countdown-float': [{ countdown: 0.25 }],
  'option-countdown-negative': [{ countdown: -5 }],
  'option-countdown-zero': [{ countdown: 0 }],
  'option-eta-expires': [{ countdown: 60, expires: 3600 }],
  'option-eta-naive': [{ eta: '2030-01-01T12:00:00.000005' }],
  'option-eta-offset': [{ eta: '2030-07-01T12:00:00-04:00' }],
  'option-eta-utc': [{ eta: new Date('2030-01-01T12:00:00Z') }],
  'option-expires-float': [{ expires: 0.5 }],
  'option-expires-past': [{ expires: '2026-01-02T03:03:35.678901+00:00' }],
  'option-expires-seconds': [{ expires: 120 }],
  'option-exchange-direct': [{ exchange: 'media', routingKey: 'media.#' }],
  'option-ignore-result': [{ ignoreResult: true }],
  'option-priority-0': [{ priority: 0 }],
  'option-priority-1': [{ priority: 1 }],
  'option-priority-5': [{ priority: 5 }],
  'option-priority-9': [{ priority: 9 }],
  'option-priority-12': [{ priority: 12 }],
  'option-reply-to': [{ replyTo: 'my-reply-queue' }],
  'option-retries': [{ retries: 3 }],
  'option-root-parent': [{ rootId: 'root-1', parentId: 'parent-1' }],
  'option-time-limit-hard': [{ timeLimit: 30.5 }],
  'option-time-limits': [{ timeLimit: 60, softTimeLimit: 50 }],
  'option-extra-property': [{ properties: { message_id: 'mid-1', app_id: 'lovage', user_id: 'guest', type: 't' } }],
};

const captured = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8')) as Vector;

/** A message of ours in the words of the captured ones. */
function inCapturedWords(message: ReturnType<typeof prepare>): Captured {
  const { contentType: _type, contentEncoding: _encoding, extra, ...properties } = message.properties;
  const names: Record<string, string> = { correlationId: 'correlation_id', replyTo: 'reply_to', deliveryMode: 'delivery_mode' };
  const renamed = Object.fromEntries(Object.entries(properties).map(([key, value]) => [names[key] ?? key, value]));
  const delivery_info = { exchange: message.exchange, routing_key: message.routingKey };
  return { headers: { ...message.headers }, properties: { ...renamed, ...extra, delivery_info } };
}

function prepare(name: string, vector: Vector) {
  const [options, args = [1, 2], kwargs = {}] = calls[name]!;
  const { headers, properties } = vector.messages[0]!.envelope;
  const app = setup(name.includes('exchange') ? topic : {}, { clock });
  const task = app.task(String(headers.task), { typing: false }, () => 1);
  const given = { taskId: String(headers.id), replyTo: String(properties.reply_to), ...options };
  return app.publisher.prepare([{ task: task.name, args, kwargs, options: given, definition: task.definition }])[0]!.message;
}

test.each(Object.keys(calls))('%s', (name) => {
  const vector = captured(name);
  const message = prepare(name, vector);
  const ours = inCapturedWords(message);
  const { envelope, body } = vector.messages[0]!;
  const { delivery_tag: _tag, body_encoding: _encoding, ...properties } = envelope.properties;
  // `lang` and `origin` tell who sent it, and that differs by design.
  expect({ ...ours.headers, lang: 'py', origin: envelope.headers.origin }).toEqual(envelope.headers);
  expect(ours.properties).toEqual(properties);
  expect(bodyOf(message)).toEqual(body.json);
});

test('option-argsrepr: the texts replace those of the arguments; Celery also leaks them into the properties', () => {
  const vector = captured('option-argsrepr');
  calls['option-argsrepr'] = [{ argsRepr: '<secret>', kwargsRepr: '<also secret>' }];
  const { headers, properties } = inCapturedWords(prepare('option-argsrepr', vector));
  expect(headers).toMatchObject({ argsrepr: '<secret>', kwargsrepr: '<also secret>' });
  expect(properties).not.toHaveProperty('argsrepr');
});

test('option-link-both-options: a link carries its own options', () => {
  const app = setup();
  const signature = (name: string, args: readonly unknown[], options: CallOptions = {}) => app.signature(name, args, options);
  const link = signature('proj.mul', [4], { queue: 'hipri', countdown: 3, priority: 9 });
  const linkError = [signature('proj.on_error', []), signature('proj.errback_new', [])];
  const [prepared] = app.publisher.prepare([{ task: 'proj.add', args: [2, 2], kwargs: {}, options: { link, linkError } }]);
  expect(bodyOf(prepared!.message)).toEqual(captured('option-link-both-options').messages[0]!.body.json);
});

test.each(['option-link', 'option-link-many'])('%s: links ride in the body as Celery writes them', (name) => {
  const { json } = captured(name).messages[0]!.body;
  const [args, kwargs, { callbacks }] = json as [number[], Record<string, unknown>, { callbacks: WireSignature[] }];
  const link = callbacks.map((wire) => ({ toWire: () => wire }));
  const [prepared] = setup().publisher.prepare([{ task: 'add', args, kwargs, options: { link } }]);
  expect(bodyOf(prepared!.message)).toEqual(json);
});
