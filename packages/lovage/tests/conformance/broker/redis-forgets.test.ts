// A Redis that comes back without its last moments: killed with a log of `everysec` behind, or replaced by a replica that lagged.
import { expect, test } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { BrokerConnectionError, type RedisLine } from '../../../src/util/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, read, text, unique } from './harness.ts';
import { plainLine } from './redis-harness.ts';

/** Everything under a prefix; the answer puts it back as it was, and deletes what came after. */
async function snapshot(line: RedisLine, prefix: string): Promise<() => Promise<void>> {
  const keys = (await line.call('KEYS', [`${prefix}*`])) as string[];
  const dumps = await Promise.all(keys.map(async (key) => [key, await line.callBuffer('DUMP', [key])] as const));
  return async () => {
    const newer = (await line.call('KEYS', [`${prefix}*`])) as string[];
    if (newer.length > 0) await line.call('DEL', newer);
    for (const [key, dump] of dumps) await line.call('RESTORE', [key, 10_000, dump as Buffer, 'REPLACE']);
  };
}

async function setup(inFlight: 'lovage' | 'celery') {
  const url = redisUrl();
  const globalKeyprefix = `${unique('p')}:`;
  const proxy = await startProxy(url);
  const broker = await openBroker(brokerOptions(proxy.url(url), { transportOptions: { inFlight, globalKeyprefix } }));
  const line = plainLine(url);
  const stack = new AsyncDisposableStack();
  for (const part of [line, proxy, broker]) stack.use(part);
  return { broker, proxy, queue: await freshQueue(broker), remember: () => snapshot(line, globalKeyprefix), stack };
}

for (const mode of ['lovage', 'celery'] as const) {
  test(`${mode}: an ack that the server forgot is noticed, and the message comes again`, async () => {
    const { broker, proxy, queue, remember, stack } = await setup(mode);
    await using _ = stack;
    await publish(broker, message(queue, 'one'), message(queue, 'two'));
    const reader = await read(broker, queue);
    const [one] = await reader.take(2);
    const forget = await remember();
    expect(await reader.ack(one!)).toEqual([]);
    expect(await broker.count(queue)).toMatchObject({ held: 1 });
    proxy.refuse();
    proxy.cut();
    await forget();
    proxy.refuse(false);
    await expect(reader.one()).rejects.toThrow(BrokerConnectionError);
    await reader[Symbol.asyncDispose]();
    await using next = await read(broker, queue);
    const again = await next.take(2);
    expect(again.map((delivery) => [text(delivery), delivery.attempts])).toEqual([
      ['one', 2],
      ['two', 2],
    ]);
    expect(await next.ack(...again)).toEqual([]);
    expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 0 });
  });

  test(`${mode}: a line that was only cut keeps what it holds`, async () => {
    const { broker, proxy, queue, stack } = await setup(mode);
    await using _ = stack;
    await publish(broker, message(queue, 'one'), message(queue, 'two'));
    await using reader = await read(broker, queue);
    const [one, two] = await reader.take(2);
    expect(await reader.ack(one!)).toEqual([]);
    proxy.cut();
    expect(await reader.ack(two!)).toEqual([]);
    await publish(broker, message(queue, 'three'));
    expect(await reader.one()).toMatchObject({ attempts: 1 });
  });
}
