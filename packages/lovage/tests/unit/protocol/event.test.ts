// Events against what real Celery programs sent.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  errorRepr,
  eventGroup,
  eventRoutingKey,
  parseEvent,
  parseEvents,
  utcOffset,
  writeEvent,
} from '../../../src/protocol/index.ts';
import { DecodeError } from '../../../src/util/index.ts';

type Json = Record<string, unknown>;
interface Published {
  readonly channel: string;
  readonly body: { readonly json: Json | Json[] };
}

const folder = new URL('../../vectors/', import.meta.url);
const captures = readdirSync(folder)
  .filter((file) => file.startsWith('event-'))
  .map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { name: string; published: Published[] });
const bodies = captures.flatMap(({ name, published }) => published.map((one) => ({ name, ...one })));
const all = bodies.flatMap(({ body }) => (Array.isArray(body.json) ? body.json : [body.json]));

test('there are captures of every kind', () => {
  expect(captures.map(({ name }) => name)).toHaveLength(10);
});

test.each(all)('$type is read, and written again with the same fields in the same order', (wire) => {
  const event = parseEvent(wire);
  expect(event.hostname).toBe(wire.hostname);
  expect(JSON.stringify(writeEvent(event))).toBe(JSON.stringify(wire));
});

test.each(bodies)('$name goes out under the routing key of its type', ({ channel, body }) => {
  const key = channel.slice(channel.indexOf('/', 1) + 1);
  const expected = Array.isArray(body.json)
    ? `${eventGroup(String(body.json[0]?.type))}.multi`
    : eventRoutingKey(String(body.json.type));
  expect(key).toBe(expected);
});

const envelope = { hostname: 'w@h', utcoffset: 0, pid: 1, clock: 2, timestamp: 3.5 };

test('names of the wire become names of TypeScript', () => {
  const event = parseEvent({ ...envelope, type: 'task-sent', uuid: 'i', root_id: 'r', parent_id: null, routing_key: 'k' });
  expect(event).toEqual({ ...envelope, type: 'task-sent', uuid: 'i', rootId: 'r', parentId: null, routingKey: 'k' });
});

test('a type of a program of its own keeps its name and its fields', () => {
  const event = parseEvent({ ...envelope, type: 'task-custom-thing', uuid: 'i', foo: { bar: 1 } });
  expect(event).toEqual({
    ...envelope,
    type: 'custom',
    name: 'task-custom-thing',
    uuid: 'i',
    fields: { uuid: 'i', foo: { bar: 1 } },
  });
});

test('a field of a wrong kind, or one that is missing, is left out', () => {
  const event = parseEvent({ ...envelope, type: 'worker-heartbeat', freq: '5', loadavg: [1, 'x'], active: 3 });
  expect(event).toEqual({ ...envelope, type: 'worker-heartbeat', active: 3 });
});

test('null is left out too, but where it says that there is none', () => {
  const nothing = { runtime: null, result: null, name: null, args: null, retries: null, freq: null, active: null };
  expect(parseEvent({ ...envelope, type: 'task-succeeded', uuid: 'i', ...nothing })).toEqual({
    ...envelope,
    type: 'task-succeeded',
    uuid: 'i',
  });
  expect(parseEvent({ ...envelope, type: 'worker-heartbeat', ...nothing })).toEqual({ ...envelope, type: 'worker-heartbeat' });
  expect(parseEvent({ ...envelope, type: 'task-received', uuid: 'i', ...nothing, eta: null, parent_id: null })).toEqual({
    ...envelope,
    type: 'task-received',
    uuid: 'i',
    eta: null,
    parentId: null,
  });
});

test.each([
  ...[null, 7, 'x', [], {}, { type: 'task-started' }, { ...envelope, type: 7 }, { ...envelope, type: 'task-started' }],
  // Microseconds, and a moment before all calendars.
  { ...envelope, type: 'worker-online', timestamp: 1_795_455_835_079_618 },
  { ...envelope, type: 'worker-online', timestamp: -1e300 },
])('what is no event is refused: %j', (wire) => {
  expect(() => parseEvent(wire)).toThrow(DecodeError);
});

test('an array loses only what is no event', () => {
  const { events, refused } = parseEvents([
    { ...envelope, type: 'worker-online' },
    'x',
    { ...envelope, type: 'task-started', uuid: 'i' },
  ]);
  expect(events.map(({ type }) => type)).toEqual(['worker-online', 'task-started']);
  expect(refused).toBe(1);
});

test('offsets are whole hours west, half hours floored', () => {
  const at = (minutes: number): Date => Object.assign(new Date(), { getTimezoneOffset: () => minutes });
  expect([0, -60, 300, -330].map((minutes) => utcOffset(at(minutes)))).toEqual([0, -1, 5, -6]);
});

test('errors are written as Python prints them, and not without end', () => {
  expect(errorRepr('ValueError', "it's bad")).toBe("ValueError('it\\'s bad')");
  expect(errorRepr('E', 'x'.repeat(5000))).toHaveLength(1024);
});
