// The turn script itself: a repeated number, the joint commit of results with acks, and Celery's own entries.
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { writeEnvelope } from '../../../src/broker/redis/envelope.ts';
import { type Packed, unpack } from '../../../src/broker/redis/packed.ts';
import { LEAN_TURN, OPEN, TURN } from '../../../src/broker/redis/scripts.ts';
import {
  applyWrites,
  fenceWrite,
  frames,
  jointArguments,
  leanArguments,
  pushWrite,
  putWrite,
  type RedisLine,
  type RedisWrite,
} from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, read, text, unique } from './harness.ts';
import { plainLine } from './redis-harness.ts';

interface Call {
  readonly turn: number;
  readonly take: number;
  readonly acks?: readonly string[];
  readonly writes?: readonly RedisWrite[];
  /** Kind, count and arguments of one verdict that is no ack. */
  readonly verdict?: readonly (string | number)[];
}

/** A holder of the bare script. */
async function bareHolder(line: RedisLine, list: string, unacked = '') {
  const incarnation = unique('bare');
  const [lease, held] = [`lovage.lease.${incarnation}`, `lovage.held.${incarnation}`];
  await line.script(OPEN, [unique('holders'), lease], [incarnation, 0, 10_000]);
  return async ({ turn, take, acks = [], writes = [], verdict }: Call): Promise<readonly [string, string[], string[]]> => {
    const settlements = verdict ? [1, ...verdict] : acks.length === 0 ? [0] : [1, 'ack', acks.length, ...acks];
    const index = unacked === '' ? '' : `${unacked}_index`;
    const args = [turn, 10_000, take, 1, unacked, index, 0, ...settlements, ...jointArguments(writes)];
    const [status, lost, taken] = (await line.evaluate(TURN, frames([3, lease, held, list]), frames(args))) as [
      Buffer,
      Buffer[],
      Packed,
    ];
    const batch = String(status) === 'ok' ? unpack(taken).map(({ raw }) => raw) : taken.map(String);
    return [String(status), lost.map(String), batch];
  };
}

const result = (key: string, state: string, attempt = 1): RedisWrite =>
  putWrite({
    key,
    fenceKey: `${key}.fence`,
    attempt,
    state,
    ready: state !== 'STARTED',
    expires: 60,
    body: `{"status": "${state}", "result": ${attempt}}`,
  });

test.each(['', unique('unacked')])('a repeated turn does nothing twice and answers its batch again (%s)', async (unacked) => {
  await using line = plainLine(redisUrl());
  const [list, other] = [unique('list'), unique('other')];
  const envelopes = ['a', 'b', 'c'].map((body) => writeEnvelope(message(list, body)));
  await line.call('LPUSH', [list, ...envelopes]);
  const turn = await bareHolder(line, list, unacked);
  expect((await turn({ turn: 1, take: 1 }))[2]).toEqual([envelopes[0]]);
  const second: Call = { turn: 2, take: 1, acks: [`1.1.${list}`], writes: [pushWrite(other, ['next'])] };
  expect((await turn(second)).slice(0, 3)).toEqual(['ok', [], [envelopes[1]]]);
  const [status, lost, again] = await turn(second);
  expect([status, lost, again[0]]).toEqual(['again', [], `2.1.${list}`]);
  expect(again[1]).toContain(envelopes[1]);
  expect(await line.call('LLEN', [list])).toBe(1);
  expect(await line.call('LRANGE', [other, 0, -1])).toEqual(['next']);
});

test.each(['', unique('unacked')])('a turn that a later one has overtaken does nothing (%s)', async (unacked) => {
  await using line = plainLine(redisUrl());
  const [list, other] = [unique('list'), unique('other')];
  const envelopes = ['a', 'b', 'c', 'd'].map((body) => writeEnvelope(message(list, body)));
  await line.call('LPUSH', [list, ...envelopes]);
  const turn = await bareHolder(line, list, unacked);
  const first: Call = { turn: 1, take: 2, writes: [pushWrite(other, ['next'])] };
  await turn(first);
  await turn({ turn: 2, take: 1, acks: [`1.1.${list}`] });
  // The first time that turn 1 was sent, it lay in the socket of a line that was lost, and only now the server reads it.
  expect(await turn(first)).toEqual(['stale', [], []]);
  expect(await line.call('LRANGE', [list, 0, -1])).toEqual([envelopes[3]]);
  expect(await line.call('LLEN', [other])).toBe(1);
  const [, lost] = await turn({ turn: 3, take: 0, acks: [`1.2.${list}`, `2.1.${list}`] });
  expect(lost).toEqual([]);
});

/** Runs of fields as the lean script reads them: each its turn, first and last place. */
type Run = readonly [turn: number, first: number, last: number];

/** A holder of the bare lean script, which takes from `empty` before `list`. */
async function leanHolder(line: RedisLine) {
  const incarnation = unique('bare');
  const [lease, held, list, empty] = [
    `lovage.lease.${incarnation}`,
    `lovage.held.${incarnation}`,
    unique('list'),
    unique('empty'),
  ];
  await line.script(OPEN, [unique('holders'), lease], [incarnation, 0, 10_000]);
  const turn = async (number: number, take: number, runs: readonly Run[], writes: readonly RedisWrite[] = [], wait = '') => {
    const ends = runs.flatMap(([of, first, last]) => [of, list, first, last]);
    const { pushes, puts, pushed } = leanArguments(writes)!;
    const args = [number, 10_000, take, 1, wait, ...pushes, runs.length, ...ends, ...puts];
    const reply = (await line.evaluate(LEAN_TURN, frames([4, lease, held, empty, list]), frames(args))) as unknown[];
    const [status, lost, taken, refused = [], answers = []] = reply as [Buffer, Buffer[], Packed, Buffer[]?, unknown[]?];
    const batch = String(status) === 'ok' ? unpack(taken, pushed).map(({ raw }) => raw) : taken.map(String);
    return { status: String(status), lost: lost.map(String), batch, refused: refused.map(String), answers };
  };
  return { turn, lease, held, list, empty };
}

test('the lean turn does what the other does: it ends fields, stores ready results under their rule, takes, and repeats nothing', async () => {
  await using line = plainLine(redisUrl());
  const { turn, lease, held, list, empty } = await leanHolder(line);
  const texts = Array.from({ length: 1300 }, (_, index) => `${index}`);
  await line.call('LPUSH', [list, ...texts]);
  expect((await turn(1, 1200, [])).batch).toEqual(texts.slice(0, 1200));
  const [key, done] = [unique('result'), unique('result')];
  await line.call('SET', [done, '{"status": "SUCCESS", "result": 0}']);
  const writes = [result(key, 'FAILURE'), result(done, 'SUCCESS'), result(key, 'SUCCESS', 2), result(key, 'FAILURE', 3)];
  const second = await turn(2, 1, [[1, 1, 1100]], writes);
  expect(second).toEqual({ status: 'ok', lost: [], batch: ['1200'], refused: [], answers: [1, 0, 1, 0] });
  expect(await line.call('GET', [key])).toContain('SUCCESS');
  expect(await turn(2, 1, [[1, 1, 1100]], writes)).toMatchObject({ status: 'again', batch: [`2.1.${list}`, '1200'] });
  expect(await turn(1, 5, [])).toMatchObject({ status: 'stale', batch: [] });
  // One that waits is numbered apart.
  expect(await turn(10, 2, [], [], 'wait')).toMatchObject({ status: 'ok', batch: ['1201', '1202'] });
  expect(await turn(10, 2, [], [], 'wait')).toMatchObject({ status: 'again' });
  expect((await turn(3, 0, [[1, 1, 2]])).lost).toEqual([`1.1.${list}`, `1.2.${list}`]);
  expect(
    (
      await turn(4, 0, [
        [1, 1101, 1150],
        [1, 1151, 1200],
      ])
    ).lost,
  ).toEqual([]);
  expect(await line.call('HLEN', [held])).toBe(3);
  await line.call('SET', [empty, 'mine']);
  expect(await turn(5, 1, [])).toMatchObject({ refused: [empty], batch: ['1203'] });
  await line.call('DEL', [lease]);
  expect(await turn(6, 1, [])).toMatchObject({ status: 'lost', batch: [] });
});

test('what a lean turn pushes it takes in the order of the list, and holds it like everything else', async () => {
  await using line = plainLine(redisUrl());
  const { turn, held, list, empty } = await leanHolder(line);
  const other = unique('other');
  const long = 'é"\\'.repeat(5000);
  expect((await turn(1, 5, [], [pushWrite(list, ['a', long, 'c']), pushWrite(other, ['o'])])).batch).toEqual(['a', long, 'c']);
  expect(await line.call('HMGET', [held, `1.1.${list}`, `1.2.${list}`, `1.3.${list}`])).toEqual(['a', long, 'c']);
  expect(await line.call('EXISTS', [list])).toBe(0);
  expect(await line.call('LRANGE', [other, 0, -1])).toEqual(['o']);
  // What waited before comes before; what is more than is wanted stays.
  await line.call('LPUSH', [list, 'first']);
  expect((await turn(2, 2, [[1, 1, 3]], [pushWrite(list, ['d', 'e'])])).batch).toEqual(['first', 'd']);
  expect((await turn(3, 5, [], [pushWrite(list, ['f']), pushWrite(list, ['g'])])).batch).toEqual(['e', 'f', 'g']);
  expect((await turn(4, 1, [], [pushWrite(list, ['h', 'i'])])).batch).toEqual(['h']);
  // The more urgent list first, whoever pushed to which.
  expect((await turn(5, 5, [], [pushWrite(list, ['j']), pushWrite(empty, ['now'])])).batch).toEqual(['now', 'i', 'j']);
  expect((await turn(6, 0, [], [pushWrite(list, ['k'])])).batch).toEqual([]);
  const many = Array.from({ length: 1200 }, (_, index) => `${index}`);
  expect((await turn(7, 1, [], [pushWrite(other, many)])).batch).toEqual(['k']);
  expect(await line.call('LLEN', [other])).toBe(1201);
  const last = [pushWrite(list, ['l'])];
  expect((await turn(8, 1, [], last)).batch).toEqual(['l']);
  expect(await turn(8, 1, [], last)).toMatchObject({ status: 'again', batch: [`8.1.${list}`, 'l'] });
  expect(await line.call('EXISTS', [list])).toBe(0);
});

test('a lean turn that cannot push does nothing at all', async () => {
  await using line = plainLine(redisUrl());
  const { turn, held, list } = await leanHolder(line);
  const [foreign, next, key] = [unique('foreign'), unique('next'), unique('result')];
  await line.call('SET', [foreign, 'mine']);
  await line.call('LPUSH', [list, 'a', 'b']);
  await turn(1, 1, []);
  const writes = [result(key, 'SUCCESS'), pushWrite(next, ['x']), pushWrite(foreign, ['y'])];
  await expect(turn(2, 1, [[1, 1, 1]], writes)).rejects.toThrow(`WRONGTYPE ${foreign}`);
  expect(await line.call('EXISTS', [next, key])).toBe(0);
  expect(await line.call('HGETALL', [held])).toEqual([`1.1.${list}`, 'a']);
  expect(await turn(3, 1, [[1, 1, 1]], [result(key, 'SUCCESS')])).toMatchObject({ batch: ['b'], lost: [] });
});

test('a turn that cannot write all that it shall does nothing at all', async () => {
  await using line = plainLine(redisUrl());
  const [list, next, foreign, key] = [unique('list'), unique('next'), unique('foreign'), unique('result')];
  const envelope = writeEnvelope(message(list, 'a'));
  await line.call('LPUSH', [list, envelope]);
  await line.call('SET', [foreign, 'mine']);
  const turn = await bareHolder(line, list);
  await turn({ turn: 1, take: 1 });
  const field = `1.1.${list}`;
  const writes = [result(key, 'SUCCESS'), pushWrite(next, ['x']), pushWrite(foreign, ['y'])];
  await expect(turn({ turn: 2, take: 0, acks: [field], writes })).rejects.toThrow(`WRONGTYPE ${foreign}`);
  expect(await line.call('EXISTS', [next, key])).toBe(0);
  await expect(applyWrites(line, writes)).rejects.toThrow('WRONGTYPE');
  expect(await line.call('EXISTS', [next, key])).toBe(0);
  const dead = ['dead', 6, field, foreign, envelope, 10, 1000, ''];
  await expect(turn({ turn: 3, take: 0, verdict: dead })).rejects.toThrow(`WRONGTYPE ${foreign}`);
  // It is still held, so the next verdict finds it.
  expect((await turn({ turn: 4, take: 0, verdict: ['move', 4, field, list, 'RPUSH', envelope] })).slice(0, 2)).toEqual([
    'ok',
    [],
  ]);
  expect(await line.call('LRANGE', [list, 0, -1])).toEqual([envelope]);
  expect(await line.call('GET', [foreign])).toBe('mine');
});

test('a result key that is no text is written over', async () => {
  await using line = plainLine(redisUrl());
  const key = unique('result');
  await line.call('LPUSH', [key, 'mine']);
  expect(await applyWrites(line, [result(key, 'SUCCESS')])).toEqual([1]);
  expect(await line.call('GET', [key])).toContain('SUCCESS');
});

test('what a worker parks waits as long as that worker meant, whatever the clock of the server says', async () => {
  await using line = plainLine(redisUrl());
  const [list, parked] = [unique('list'), unique('parked')];
  await line.call('LPUSH', [list, 'envelope']);
  const turn = await bareHolder(line, list);
  await turn({ turn: 1, take: 1 });
  await turn({ turn: 2, take: 0, verdict: ['park', 6, `1.1.${list}`, parked, unique('queues'), list, 30, 'envelope'] });
  const [seconds] = (await line.call('TIME', [])) as string[];
  expect(Number(await line.call('ZSCORE', [parked, 'envelope'])) - Number(seconds)).toBeCloseTo(30, -1);
});

test('results, next messages and acks are one step, and a fenced or finished result stays', async () => {
  await using line = plainLine(redisUrl());
  await using broker = await openBroker(brokerOptions(redisUrl()));
  const [queue, next, key] = [await freshQueue(broker), await freshQueue(broker), unique('celery-task-meta')];
  await publish(broker, message(queue, 'x'));
  await using reader = await read(broker, queue);
  const joint = await broker.jointPublish!([message(next, 'chained')]);
  const put = { database: broker.database!, payload: [result(key, 'SUCCESS')] };
  expect(await reader.subscription.settle([{ verdict: 'ack', delivery: await reader.one() }], [put, joint])).toEqual([]);
  expect(await line.call('GET', [key])).toContain('SUCCESS');
  expect((await broker.count(next))?.ready).toBe(1);
  await using following = await read(broker, next);
  const chained = await following.one();
  expect(text(chained)).toBe('chained');
  await following.ack(chained);
  expect(await applyWrites(line, [result(key, 'FAILURE')])).toEqual([0]);
});

test('the fence refuses lower attempts, and an equal one once a ready state is stored', async () => {
  await using line = plainLine(redisUrl());
  const key = randomUUID();
  const fence = fenceWrite({ key, fenceKey: `${key}.fence`, attempt: 2, expires: 60 });
  expect(await applyWrites(line, [result(key, 'STARTED'), fence])).toEqual([1, '{"status": "STARTED", "result": 1}']);
  expect(await applyWrites(line, [result(key, 'SUCCESS', 1), result(key, 'STARTED', 2), result(key, 'FAILURE', 2)])).toEqual([
    0, 1, 1,
  ]);
  expect(await applyWrites(line, [result(key, 'SUCCESS', 2), result(key, 'SUCCESS', 3), result(key, 'FAILURE', 4)])).toEqual([
    0, 1, 0,
  ]);
});

test('what is in flight in the second mode is what a Python peer would restore', async () => {
  await using line = plainLine(redisUrl());
  const prefix = `${unique('u')}:`;
  const transportOptions = {
    inFlight: 'celery',
    globalKeyprefix: prefix,
    visibilityTimeout: 1,
    unackedRestoreInterval: 0.1,
    unackedRestoreThrottle: 1,
  };
  await using broker = await openBroker(brokerOptions(redisUrl(), { transportOptions }));
  const queue = unique('q');
  const envelope = writeEnvelope(message(queue, 'held'));
  const tag = JSON.parse(envelope).properties.delivery_tag as string;
  await line.call('LPUSH', [prefix + queue, envelope]);
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  const entry = JSON.parse((await line.call('HGET', [`${prefix}unacked`, tag])) as string);
  expect(entry).toEqual([JSON.parse(envelope), '', queue]);
  expect(Number(await line.call('ZSCORE', [`${prefix}unacked_index`, tag]))).toBeCloseTo(Date.now() / 1000, -1);
  await reader.ack(delivery);
  expect(await line.call('EXISTS', [`${prefix}unacked`, `${prefix}unacked_index`])).toBe(0);
  // What a Python peer left behind comes back after the visibility time-out.
  const left = writeEnvelope(message(queue, 'left'));
  await line.call('HSET', [`${prefix}unacked`, 'left', `[${left}, "", "${queue}"]`]);
  await line.call('ZADD', [`${prefix}unacked_index`, Date.now() / 1000 - 5, 'left']);
  const back = await reader.one();
  expect([text(back), back.redelivered]).toEqual(['left', true]);
  await reader.ack(back);
});

test('a batch comes whole, whatever its envelopes are', async () => {
  await using line = plainLine(redisUrl());
  const list = unique('list');
  const texts = [
    '',
    'a',
    'é'.repeat(20),
    'x'.repeat(31),
    'x'.repeat(32),
    'y'.repeat(255),
    'z'.repeat(256),
    '\\"'.repeat(40_000),
    '{}',
  ];
  await line.call('LPUSH', [list, ...texts]);
  const turn = await bareHolder(line, list);
  expect((await turn({ turn: 1, take: 100 }))[2]).toEqual(texts);
  const many = Array.from({ length: 700 }, (_, index) => `${index}`);
  await line.call('LPUSH', [list, ...many]);
  expect((await turn({ turn: 2, take: 1000 }))[2]).toEqual(many);
});

test.each(['', unique('unacked')])('fields that came one after the other are settled by their ends (%s)', async (unacked) => {
  await using line = plainLine(redisUrl());
  const list = unique('list');
  await line.call('LPUSH', [list, ...Array.from({ length: 600 }, (_, index) => writeEnvelope(message(list, `${index}`)))]);
  const turn = await bareHolder(line, list, unacked);
  expect((await turn({ turn: 1, take: 600 }))[2]).toHaveLength(600);
  expect(await turn({ turn: 2, take: 0, verdict: ['acks', 4, 1, list, 1, 550] })).toEqual(['ok', [], []]);
  expect(await turn({ turn: 3, take: 0, verdict: ['acks', 4, 1, list, 551, 600] })).toEqual(['ok', [], []]);
  const [, lost] = await turn({ turn: 4, take: 0, verdict: ['acks', 4, 1, list, 1, 2] });
  expect(lost).toEqual([`1.1.${list}`, `1.2.${list}`]);
});
