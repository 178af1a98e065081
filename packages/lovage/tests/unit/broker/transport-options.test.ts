// Options of a driver that it does not know are slips of the hand: each driver refuses them, brokers and result stores alike.
import { describe, expect, it } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { openBackend } from '../../../src/result/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';

type Options = Readonly<Record<string, unknown>>;

const common = { appName: 'options', connectTimeout: 1, heartbeat: 10 };
const broker = (url: string, transportOptions: Options) =>
  openBroker({ url, ...common, transportOptions, deadLetters: { mode: 'lovage', ttl: 60, maxLength: 10 } });
const store = (url: string, transportOptions: Options) =>
  openBackend({
    url,
    ...common,
    transportOptions,
    broker: { url: 'amqp://localhost', transportOptions: {} },
    oid: 'reply',
    expires: 60,
    persistent: false,
  });

const drivers = [
  ['the broker in memory', broker, 'memory://options', undefined],
  ['the broker in SQLite', broker, 'sqlite:///tmp/lovage-options.db', 'durability'],
  ['Redis', broker, 'redis://localhost', 'visibility_timeout'],
  ['RabbitMQ', broker, 'amqp://localhost', 'delayed_delivery'],
  ['results in memory', store, 'memory://options', undefined],
  ['results in SQLite', store, 'sqlite:///tmp/lovage-options.db', 'durability'],
  ['results in Redis', store, 'redis://localhost', 'global_keyprefix'],
  ['results over rpc', store, 'rpc://', 'recent_results'],
] as const;

describe.each(drivers)('%s', (_, open, url, known) => {
  it('refuses an option that it does not know, and says which one may be meant', async () => {
    const name = known === undefined ? 'visibility_timeout' : `${known}x`;
    const error = await open(url, { [name]: 1 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(String(error)).toContain(`'${name}'`);
    if (known !== undefined) expect(String(error)).toMatch(/Did you mean '/);
  });

  it('takes what means nothing here but something to Celery', async () => {
    await using opened = await open(url, { max_retries: 3, intervalStart: 0, interval_step: null });
    expect(opened.name).not.toBe('');
  });
});

it.each([
  [{ nativeDelayedDeliveryQueueType: 'stream' }, "'quorum' or 'classic'"],
  [{ delayed_delivery: 'never' }, 'true or false'],
] as const)('RabbitMQ refuses %o', async (options, wanted) => {
  await expect(broker('amqp://localhost', options)).rejects.toThrow(wanted);
});

it.each([
  [broker, 'amqp://localhost', { confirm_publish: true, read_timeout: 5, write_timeout: 5 }],
  [broker, 'redis://localhost', { socket_keepalive: true, ack_emulation: true }],
  [store, 'redis://localhost', { retry_policy: { max_retries: 3 }, result_chord_ordered: true }],
] as const)('names of Celery’s own connections are taken: %#', async (open, url, options) => {
  await using opened = await open(url, options);
  expect(opened.name).not.toBe('');
});
