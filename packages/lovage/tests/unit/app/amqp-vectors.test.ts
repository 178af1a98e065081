// What Celery sent to RabbitMQ, captured: the same call here goes to the same place with the same properties and headers, and what is
// declared before it has the same arguments (RabbitMQ refuses any other with a 406).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseTime } from '../../../src/protocol/index.ts';
import type { CallOptions } from '../../../src/task/index.ts';
import { bodyOf, setup } from './support.ts';

interface Operation {
  readonly method: string;
  readonly [field: string]: unknown;
}
interface Vector {
  readonly channel_operations: readonly Operation[];
  readonly messages: readonly {
    readonly properties: Record<string, unknown>;
    readonly headers: Record<string, unknown>;
    readonly delivery_info: { readonly exchange: string; readonly routing_key: string };
    readonly body: { readonly json?: unknown; readonly utf8?: string };
  }[];
}
interface Case {
  readonly settings?: Parameters<typeof setup>[0];
  readonly options?: CallOptions;
  readonly args: readonly unknown[];
  readonly kwargs?: Record<string, unknown>;
  /** The queues that the captured program declared. */
  readonly queues: readonly string[];
}

const cases: Record<string, Case> = {
  'amqp-call-simple': { args: [2, 2], queues: ['celery'] },
  'amqp-call-kwargs-unicode': { args: ['hé'], kwargs: { k: '中' }, queues: ['celery'] },
  'amqp-compression-zlib': { args: ['x'.repeat(200)], options: { compression: 'zlib' }, queues: ['celery'] },
  'amqp-option-eta': { args: [1, 2], options: { countdown: 10, expires: 120 }, queues: ['celery'] },
  'amqp-option-priority': { args: [1, 2], settings: { taskQueueMaxPriority: 10 }, options: { priority: 7 }, queues: ['celery'] },
  'amqp-queue-custom': { args: [1, 2], options: { queue: 'video' }, queues: ['video'] },
  'amqp-queue-quorum': { args: [1, 2], settings: { taskDefaultQueueType: 'quorum' }, queues: ['celery'] },
  'amqp-queue-missing-quorum': {
    args: [1, 2],
    settings: { taskCreateMissingQueueType: 'quorum', taskCreateMissingQueueExchangeType: 'topic' },
    options: { queue: 'qq' },
    queues: ['qq'],
  },
  'amqp-queue-topic': {
    args: [1, 2],
    settings: {
      taskQueues: [{ name: 'media', exchange: 'media', exchangeType: 'topic', routingKey: 'media.#' }, { name: 'celery' }],
    },
    options: { exchange: 'media', routingKey: 'media.video' },
    queues: ['media', 'celery'],
  },
  'amqp-serializer-yaml': { args: [1, 'two'], options: { serializer: 'yaml' }, queues: ['celery'] },
};

const now = parseTime('2026-01-02T03:04:05.678901+00:00')!;
const clock = { now: () => now, monotonic: () => 0 };
const captured = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8')) as Vector;

describe.each(Object.entries(cases))('%s', (name, { settings = {}, options = {}, args, kwargs = {}, queues }) => {
  const vector = captured(name);
  const [expected] = vector.messages;
  const app = setup(settings, { clock });

  test('the message', () => {
    const { properties, delivery_info } = expected!;
    // Quorum queues add a count of their own on the way.
    const { 'x-delivery-count': _count, ...headers } = expected!.headers;
    const task = app.task(String(headers.task), { typing: false }, () => 1);
    const given = { taskId: String(headers.id), replyTo: String(properties.reply_to), ...options };
    const [prepared] = app.publisher.prepare([{ task: task.name, args, kwargs, options: given, definition: task.definition }]);
    const { message } = prepared!;
    expect({ exchange: message.exchange, routing_key: message.routingKey }).toEqual({
      exchange: delivery_info.exchange,
      routing_key: delivery_info.routing_key,
    });
    // `lang` and `origin` tell who sent it, and that differs by design.
    expect({ ...message.headers, lang: 'py', origin: headers.origin }).toEqual(headers);
    const { priority = 0, ...others } = properties;
    expect({
      content_type: message.properties.contentType,
      content_encoding: message.properties.contentEncoding,
      correlation_id: message.properties.correlationId,
      reply_to: message.properties.replyTo,
      delivery_mode: message.properties.deliveryMode,
      ...(message.properties.expiration === undefined ? {} : { expiration: message.properties.expiration }),
    }).toEqual(others);
    // An absent priority and 0 are the same to RabbitMQ and to every reader.
    expect(message.properties.priority ?? 0).toBe(priority);
    if (expected!.body.json !== undefined && options.compression === undefined)
      expect(bodyOf(message)).toEqual(expected!.body.json);
  });

  test('the declarations', () => {
    const topology = app.queues.topology(queues);
    const operations = (method: string): readonly Operation[] =>
      vector.channel_operations.filter((operation) => operation.method === method);
    expect(
      topology.exchanges.map((exchange) => ({
        exchange: exchange.name,
        type: exchange.type,
        durable: exchange.durable,
        auto_delete: exchange.autoDelete ?? false,
      })),
    ).toEqual(
      operations('exchange_declare').map(({ exchange, type, durable, auto_delete }) => ({
        exchange,
        type,
        durable,
        auto_delete,
      })),
    );
    expect(
      topology.queues.map((queue) => ({
        queue: queue.name,
        durable: queue.durable,
        exclusive: queue.exclusive ?? false,
        auto_delete: queue.autoDelete ?? false,
        arguments: queue.arguments,
      })),
    ).toEqual(
      operations('queue_declare').map(({ queue, durable, exclusive, auto_delete, arguments: given }) => ({
        queue,
        durable,
        exclusive,
        auto_delete,
        arguments: given,
      })),
    );
    expect(topology.bindings.map(({ queue, exchange, routingKey }) => ({ queue, exchange, routing_key: routingKey }))).toEqual(
      operations('queue_bind').map(({ queue, exchange, routing_key }) => ({ queue, exchange, routing_key })),
    );
  });
});
