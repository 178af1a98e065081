// What tests of canvases share: the tasks of the captured calls, ids in the order in which they are met, messages in Celery's words.
import { readFileSync } from 'node:fs';
import type { SettingsInput } from '../../../src/app/config.ts';
import type { Lovage } from '../../../src/app/lovage.ts';
import type { Outgoing } from '../../../src/broker/index.ts';
import { plan } from '../../../src/canvas/index.ts';
import { parseTime } from '../../../src/protocol/index.ts';
import type { CallOptions, CanvasPlan, SignatureLike, Task } from '../../../src/task/index.ts';
import { writeOptions } from '../../../src/task/index.ts';
import { bodyOf, setup } from '../app/support.ts';

export const OID = '11111111-2222-3333-4444-555555555555';
const now = parseTime('2026-01-02T03:04:05.678901+00:00')!;

export interface Project {
  readonly app: Lovage;
  readonly add: Task<[x: number, y: number], number>;
  readonly mul: Task<[x: number, y: number], number>;
  readonly xsum: Task<[numbers: number[]], number>;
  readonly identity: Task<[value: unknown], unknown>;
  readonly noop: Task<[], null>;
  readonly failValue: Task<[], number>;
  readonly onError: Task<[id: string], string>;
}

/** The tasks that Celery had when its messages were captured. */
export function project(settings: SettingsInput = {}): Project {
  const app: Lovage = setup(settings, { clock: { now: () => now, monotonic: () => 0 } });
  for (const name of ['replace_simple', 'replace_chain', 'replace_group'])
    app.task(`proj.${name}`, (...numbers: number[]) => numbers);
  app.task('celery.starmap', { typing: false }, () => []);
  return {
    app: app,
    add: app.task('proj.add', (x: number, y: number) => x + y),
    mul: app.task('proj.mul', (x: number, y: number) => x * y),
    xsum: app.task('proj.xsum', (numbers: number[]) => numbers.reduce((sum, each) => sum + each, 0)),
    identity: app.task('proj.identity', (value: unknown) => value),
    noop: app.task('proj.noop', () => null),
    failValue: app.task('proj.fail_value', (): number => {
      throw new Error('bad value');
    }),
    onError: app.task('proj.on_error', (id: string) => id),
  };
}

/** The plan of a call, as the client makes it. */
export function planned(
  app: Lovage,
  signature: SignatureLike,
  options: CallOptions = {},
  args: readonly unknown[] = [],
): CanvasPlan {
  return plan(signature.toWire(), {
    rules: { errorsOnHeader: false },
    registry: app.tasks,
    replyTo: OID,
    args,
    options: writeOptions(options),
  });
}

interface Captured {
  readonly messages: readonly { readonly envelope: Message; readonly body: { readonly json: unknown } }[];
  readonly steps?: readonly {
    readonly executed_task_id: string;
    readonly messages_after: readonly { readonly envelope: Message; readonly body: { readonly json: unknown } }[];
  }[];
  readonly [key: string]: unknown;
}
export interface Message {
  readonly headers: Record<string, unknown>;
  readonly properties?: Record<string, unknown>;
}

export function vector(name: string): Captured {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8')) as Captured;
}

/** Headers, properties and body of a message, `lang` and `origin` aside: they tell who sent it. */
export function inCapturedWords(message: Outgoing): unknown {
  const { contentType: _type, contentEncoding: _encoding, extra, ...properties } = message.properties;
  const names: Record<string, string> = { correlationId: 'correlation_id', replyTo: 'reply_to', deliveryMode: 'delivery_mode' };
  const renamed = Object.fromEntries(Object.entries(properties).map(([key, value]) => [names[key] ?? key, value]));
  const delivery_info = { exchange: message.exchange, routing_key: message.routingKey };
  const { lang: _lang, origin: _origin, ...headers } = message.headers;
  return { headers: asLists(headers), properties: { ...renamed, ...extra, delivery_info }, body: bodyOf(message as never) };
}

/** What Celery sent, in the same shape. */
export function captured(name: string): unknown[] {
  return vector(name).messages.map(({ envelope, body }) => {
    const { lang: _lang, origin: _origin, ...headers } = envelope.headers;
    const { delivery_tag: _tag, body_encoding: _encoding, ...properties } = envelope.properties ?? {};
    return { headers: asLists(headers), properties, body: body.json };
  });
}

/** Python tells tuples from lists in the texts of keyword arguments; here they are one thing. */
function asLists(headers: Record<string, unknown>): Record<string, unknown> {
  return { ...headers, kwargsrepr: String(headers.kwargsrepr).replaceAll('(', '[').replaceAll(/,?\)/g, ']') };
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

/** The same value with ids that only say which of them are the same. */
export function normal(value: unknown): unknown {
  const ids = new Map<string, string>();
  const text = JSON.stringify(sorted(value)).replaceAll(UUID, (id) => {
    if (id === OID) return id;
    if (!ids.has(id)) ids.set(id, `id-${ids.size}`);
    return ids.get(id)!;
  });
  return JSON.parse(text);
}

/** The messages of a plan. */
export function messagesOf(app: Lovage, { calls }: CanvasPlan): unknown[] {
  return app.publisher.prepare(calls).map(({ message }) => inCapturedWords(message));
}
