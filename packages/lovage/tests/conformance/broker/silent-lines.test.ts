// Lines whose packets vanish, on real servers behind a proxy that forgets them as a router does: the first that notices has the others
// looked at, a new line tells a dead line from a slow server, and whoever is answered stays.
import { describe, expect, test, vi } from 'vitest';
import {
  type AmqpConnection,
  connectAmqp,
  openRedis,
  parseRedisUrl,
  type RedisLine,
  type RedisLineOptions,
} from '../../../src/util/index.ts';
import { type FaultProxy, startFaultProxy } from '../../faults/harness/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { unique } from './harness.ts';

/** Seconds: so long that only the others can be the reason. */
const LONG = 300;

describe.concurrent('Redis', () => {
  async function open(proxy: FaultProxy, options: Partial<RedisLineOptions>): Promise<RedisLine> {
    const line = openRedis({ target: parseRedisUrl(proxy.url(redisUrl())), connectTimeout: 5, name: unique('line'), ...options });
    await line.ready();
    return line;
  }

  const lost = (line: RedisLine): Promise<Error> =>
    new Promise((resolve) => {
      line.observe({ down: resolve });
    });

  test('an idle line is found dead when another one is given up, and both are made anew', async () => {
    await using proxy = await startFaultProxy(redisUrl());
    await using busy = await open(proxy, { replyTimeout: 1 });
    await using idle = await open(proxy, { replyTimeout: LONG });
    const [busyLost, idleLost] = [lost(busy), lost(idle)];
    proxy.forget();
    await using healthy = await open(proxy, { replyTimeout: LONG });
    let isHealthyLost = false;
    void lost(healthy).then(() => {
      isHealthyLost = true;
    });
    await expect(busy.call('PING', [])).rejects.toThrow(/lost/);
    expect((await busyLost).message).toMatch(/No answer|answers a new connection/);
    expect((await idleLost).message).toMatch(/answers a new connection/);
    expect(await Promise.all([busy, idle, healthy].map((line) => line.call('PING', [])))).toEqual(['PONG', 'PONG', 'PONG']);
    expect(isHealthyLost).toBe(false);
  });

  test('a silent line is given up before its time when a new one is answered', async () => {
    await using proxy = await startFaultProxy(redisUrl());
    await using line = await open(proxy, { replyTimeout: LONG });
    proxy.forget();
    await expect(line.call('PING', [])).rejects.toThrow(/answers a new connection/);
    expect(await line.call('PING', [])).toBe('PONG');
  });

  test('a server that answers a new line no sooner is only slow: nothing is cut', async () => {
    await using proxy = await startFaultProxy(redisUrl());
    await using line = await open(proxy, { replyTimeout: LONG });
    // Later than what is suspicious.
    proxy.slow({ delay: 3500 });
    expect(await line.call('PING', [])).toBe('PONG');
    expect(proxy.made).toBe(2);
  });

  test('an answer of which parts come is none that is missing', async () => {
    await using proxy = await startFaultProxy(redisUrl());
    await using line = await open(proxy, { replyTimeout: 1 });
    const key = unique('large');
    const size = 200_000;
    await line.call('SET', [key, 'x'.repeat(size), 'EX', 60]);
    proxy.slow({ rate: 50_000 });
    expect(String(await line.call('GET', [key]))).toHaveLength(size);
  });

  test('a slow server is waited for longer at each attempt to open a line', async () => {
    await using proxy = await startFaultProxy(redisUrl());
    proxy.slow({ delay: 250 });
    await using line = await open(proxy, { connectTimeout: 0.2, replyTimeout: 10 });
    expect(await line.call('PING', [])).toBe('PONG');
    // The first attempts, of 0.2 s and 0.4 s, were too short.
    expect(proxy.made).toBeGreaterThan(2);
  });
});

describe.concurrent('RabbitMQ', () => {
  const open = (proxy: FaultProxy, probe: number): Promise<AmqpConnection> =>
    connectAmqp({ url: proxy.url(amqpUrl()), connectTimeout: 5, heartbeat: 0, probe, name: unique('line') });

  test('an idle line is found dead when another one falls silent, and a healthy one stays', async () => {
    await using proxy = await startFaultProxy(amqpUrl());
    await using watchful = await open(proxy, 1);
    await using patient = await open(proxy, LONG);
    proxy.forget();
    await using healthy = await open(proxy, LONG);
    const reasons = await Promise.all([watchful.closed, patient.closed]);
    for (const reason of reasons) expect(reason?.message).toMatch(/answers a new connection|nothing was heard/);
    expect(reasons[1]?.message).toMatch(/answers a new connection/);
    expect(healthy.isOpen).toBe(true);
  });

  test('an idle line to a server that answers stays open, however often it is asked', async () => {
    await using proxy = await startFaultProxy(amqpUrl());
    await using connection = await open(proxy, 1);
    const opened = connection.lastHeard;
    await vi.waitFor(() => expect(connection.lastHeard - opened).toBeGreaterThan(2000), { timeout: 20_000, interval: 50 });
    expect(connection.isOpen).toBe(true);
    expect(proxy.made).toBe(1);
  });
});
