// Retries beside those of the real Celery: the same message goes in, the same next message comes out, but for what Lovage mends.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { parseTask } from '../../../src/protocol/index.ts';
import { execute } from '../../../src/task/index.ts';

type Json = Record<string, unknown>;
interface Envelope {
  readonly body: string;
  readonly 'content-type': string;
  readonly 'content-encoding': string;
  readonly headers: Json;
  readonly properties: Json & { readonly delivery_info: { readonly exchange: string; readonly routing_key: string } };
}
interface Vector {
  readonly messages: readonly { readonly envelope: Envelope }[];
  readonly steps: readonly {
    readonly messages_after: readonly {
      readonly key: string;
      readonly envelope: Envelope;
      readonly body: { readonly json: unknown };
    }[];
    readonly results_after: readonly { readonly json: { readonly status: string; readonly result: unknown } }[];
  }[];
}

const read = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8')) as Vector;

/** The app of the captures, its clock stopped where theirs was. */
function setup(): Lovage {
  const clock = { now: () => 1_767_323_045.678_901, monotonic: () => performance.now() };
  const app = new Lovage('proj', { brokerUrl: 'memory://', resultBackend: 'memory://' }, { clock, environment: {} });
  app.task('proj.retry_me', { bind: true }, (ctx, _x: unknown) => ctx.retry({ error: new RangeError('try again') }));
  app.task('proj.retry_plain', { bind: true }, (ctx, _x: unknown) => ctx.retry());
  app.task('proj.retry_args', { bind: true }, (ctx, x: number) =>
    ctx.retry({ args: [x + 1], countdown: 5, queue: 'retries', priority: 7 }),
  );
  app.task('proj.auto_retry', { autoretryFor: [RangeError], retryBackoff: true, retryJitter: false }, (_x: unknown) => {
    throw new RangeError('auto');
  });
  return app;
}

async function run(app: Lovage, { body, headers, properties, ...rest }: Envelope) {
  const content = { contentType: rest['content-type'], contentEncoding: rest['content-encoding'] };
  const { exchange, routing_key: routingKey } = properties.delivery_info;
  const { correlation_id: correlationId, reply_to: replyTo, priority } = properties;
  const delivery = {
    ...{ exchange, routingKey, headers, queue: routingKey, redelivered: false, attempts: 1, generation: 1, tag: undefined },
    properties: { ...content, correlationId: String(correlationId), replyTo: String(replyTo), priority: Number(priority) },
    body: Buffer.from(body, 'base64'),
  };
  const { request } = parseTask(delivery, { hostname: 'celery@test', decodeBody: () => undefined });
  const limits = { timeLimit: request.timeLimit, softTimeLimit: request.softTimeLimit };
  return execute({ request, body: delivery.body, ...limits }, app.environment({ hostname: 'celery@test' }));
}

test.each(['retry-default', 'retry-auto', 'retry-args-queue', 'retry-preserves-options'])('%s', async (name) => {
  const vector = read(name);
  const app = setup();
  const first = vector.messages[0]!.envelope;
  const outcome = await run(app, first);
  const expected = vector.steps[0]!.messages_after[0]!;
  const [message] = outcome.next;
  expect(outcome.state).toBe('RETRY');
  expect(message?.headers).toEqual({
    ...expected.envelope.headers,
    lang: 'js',
    // A retried root stays a root, and what its caller asked for about the result stays asked for.
    parent_id: null,
    ignore_result: first.headers.ignore_result,
  });
  expect(JSON.parse(new TextDecoder().decode(message?.body))).toEqual(expected.body.json);
  const place = expected.envelope.properties.delivery_info;
  expect(message).toMatchObject({ exchange: place.exchange, routingKey: place.routing_key });
  expect(message?.properties).toMatchObject({
    correlationId: first.properties.correlation_id,
    replyTo: first.properties.reply_to,
    deliveryMode: 2,
    priority: expected.envelope.properties.priority,
    ...('expiration' in expected.envelope.properties ? { expiration: expected.envelope.properties.expiration } : {}),
  });
  const [stored] = outcome.results;
  if (first.headers.ignore_result === true) expect(stored).toBeUndefined();
  else {
    const { json } = vector.steps[0]!.results_after[0]!;
    expect(app.results.codec.decode(stored!)).toMatchObject({ status: json.status, result: json.result, children: [] });
  }
});

test.each([
  ['retry-exhausted', { exc_type: 'ValueError', exc_message: ['try again'], exc_module: 'builtins' }],
  ['retry-exhausted-noexc', { exc_type: 'MaxRetriesExceededError', exc_module: 'celery.exceptions' }],
])('%s', async (name, exception) => {
  const vector = read(name);
  const app = setup();
  const outcome = await run(app, vector.messages[0]!.envelope);
  expect(outcome).toMatchObject({ state: 'FAILURE', next: [] });
  expect(app.results.codec.decode(outcome.results[0]!)).toMatchObject({ status: 'FAILURE', result: exception });
});
