// A channel that is being closed when its line breaks: whoever waits for that close must learn of it, or a worker that declares its
// queues at that moment stays deaf for ever.
import { expect, test } from 'vitest';
import { connectAmqp } from '../../../src/util/index.ts';
import { startFaultProxy } from '../../faults/harness/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';

test.each(['rst', 'fin'] as const)('a close that the line does not outlive settles (%s)', async (how) => {
  await using proxy = await startFaultProxy(amqpUrl());
  await using connection = await connectAmqp({ url: proxy.url(amqpUrl()), connectTimeout: 5, heartbeat: 0, name: 'close' });
  const channel = await connection.channel();
  // The answer to the close never arrives.
  proxy.freeze('down');
  const closing = channel.close();
  proxy.cut(how);
  proxy.thaw();
  await closing;
  expect(await connection.closed).toBeInstanceOf(Error);
});
