// The captured messages and results of the real Celery, as these tests need them.
import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import type { TaskDelivery } from '../../../src/protocol/index.ts';

const folder = new URL('../../vectors/', import.meta.url);

type Json = Record<string, unknown>;

export interface Capture {
  readonly name: string;
  readonly settings?: Json;
  readonly call: string;
  readonly messages?: readonly CapturedMessage[];
  readonly results?: readonly CapturedResult[];
  readonly steps?: readonly {
    readonly messages_after: readonly CapturedMessage[];
    readonly results_after: readonly CapturedResult[];
  }[];
  readonly cases?: readonly Json[];
  readonly encode?: readonly Json[];
  readonly decode?: readonly Json[];
}

interface CapturedMessage {
  readonly key?: string;
  readonly raw?: string;
  readonly headers?: Json;
  readonly properties?: Json;
  readonly delivery_info?: Json;
  readonly body_base64?: string;
  readonly body: { readonly utf8?: string; readonly base64?: string };
}

export interface CapturedResult {
  readonly key: string;
  readonly value?: string;
}

/** Names of the captures that begin with one of the prefixes. */
export function captureNames(...prefixes: readonly string[]): string[] {
  const names = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));
  return names.filter((name) => prefixes.some((prefix) => name.startsWith(prefix))).toSorted();
}

export function capture(name: string): Capture {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Capture;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function delivery(headers: unknown, properties: Json, info: Json, body: Uint8Array): TaskDelivery {
  const priority = properties.priority;
  return {
    exchange: text(info.exchange) ?? '',
    routingKey: text(info.routing_key) ?? '',
    headers: headers as Json,
    properties: {
      contentType: text(properties.content_type),
      contentEncoding: text(properties.content_encoding),
      correlationId: text(properties.correlation_id),
      replyTo: text(properties.reply_to),
      priority: typeof priority === 'number' ? priority : undefined,
    },
    body,
    redelivered: info.redelivered === true,
    attempts: 1,
  };
}

/** An element of a Redis list as a driver hands it over. */
export function redisDelivery(raw: string): TaskDelivery {
  const envelope = JSON.parse(raw) as Json;
  const properties = (envelope.properties ?? {}) as Json;
  const encoding = properties.body_encoding === 'base64' ? 'base64' : 'utf8';
  const content = { content_type: envelope['content-type'], content_encoding: envelope['content-encoding'] };
  return delivery(
    envelope.headers,
    { ...properties, ...content },
    (properties.delivery_info ?? {}) as Json,
    Buffer.from(String(envelope.body), encoding),
  );
}

export interface CapturedDelivery {
  readonly delivery: TaskDelivery;
  /** The decoded payload as Python wrote it. */
  readonly payload: string | undefined;
}

function ofMessage(message: CapturedMessage): CapturedDelivery {
  const payload = message.body.utf8;
  if (message.raw !== undefined) return { delivery: redisDelivery(message.raw), payload };
  const body = Buffer.from(message.body_base64 ?? '', 'base64');
  return { delivery: delivery(message.headers ?? {}, message.properties ?? {}, message.delivery_info ?? {}, body), payload };
}

/** Every message of a capture, those sent on by workers included. */
export function deliveries(name: string): CapturedDelivery[] {
  const { messages = [], steps = [] } = capture(name);
  return [...messages, ...steps.flatMap((step) => step.messages_after)].map(ofMessage);
}

/** Every result record of a capture as its text. */
export function resultTexts(name: string): { readonly id: string; readonly text: string; readonly serializer: string }[] {
  const { results = [], steps = [], settings = {} } = capture(name);
  const serializer = String(settings.result_serializer ?? 'json');
  return [...results, ...steps.flatMap((step) => step.results_after)]
    .filter((result) => /celery-task-meta-/.test(result.key) && result.value !== undefined)
    .map((result) => ({ id: result.key.replace(/^.*celery-task-meta-/, ''), text: result.value ?? '', serializer }));
}
