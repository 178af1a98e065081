// Header tables against Debian's py-amqp, both ways, over the shared RabbitMQ: what one writes the other reads as the same values.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, read } from './harness.ts';

const PRELUDE = `
import sys, json, amqp, datetime
from decimal import Decimal
address, queue, given = sys.argv[1:4]
connection = amqp.Connection(address, 'guest', 'guest')
connection.connect()
channel = connection.channel()
`;
/** Prints the type and the value of each header of the next message. */
const READ = `${PRELUDE}
found = channel.basic_get(queue, no_ack=True)
headers = found.properties['application_headers']
print(json.dumps({name: [type(value).__name__, value if not isinstance(value, (bytes, datetime.datetime)) else str(value)] for name, value in headers.items()}))
connection.close()
`;
const WRITE = `${PRELUDE}
headers = json.loads(given)
headers['decimal'] = Decimal('3.14')
headers['time'] = datetime.datetime(2026, 1, 2, 3, 4, 5)
channel.basic_publish(amqp.Message('body', application_headers=headers), routing_key=queue)
connection.close()
`;

const VALUES = {
  small: 5,
  negative: -5,
  wide: 2 ** 40,
  byte: 200,
  short: 300,
  long: 3_000_000_000,
  negativeLong: -3_000_000_000,
  half: 0.5,
  none: null,
  yes: true,
  no: false,
  text: 'grün ☂',
  list: [300, [200, null], { soft: 3_000_000_000 }],
  table: { deep: { deeper: [true, -40_000] } },
};

async function python(script: string, queue: string, given: object = {}): Promise<string> {
  const { hostname, port } = new URL(amqpUrl().replace(/^amqp:/, 'http:'));
  const args = ['-c', script, `${hostname}:${port}`, queue, JSON.stringify(given)];
  const { stdout } = await promisify(execFile)('/usr/bin/python3', args, { timeout: 30_000, env: { PATH: process.env.PATH } });
  return stdout;
}

for (const type of ['classic', 'quorum']) {
  const args = type === 'quorum' ? { 'x-queue-type': 'quorum' } : {};
  // Quorum queues write tag L anew as l, which py-amqp takes for unsigned, whoever sent it.
  const misread = type === 'quorum' ? { negativeLong: 2 ** 64 - 3_000_000_000 } : {};

  test(`Python reads Lovage's headers as they were meant, through ${type} queues`, async () => {
    await using broker = await openBroker(brokerOptions(amqpUrl()));
    const queue = await freshQueue(broker, args);
    const headers = { ...VALUES, big: 2n ** 62n, when: new Date('2026-01-02T03:04:05Z'), bytes: Buffer.from('raw') };
    await publish(broker, message(queue, 'body', { headers }));
    const seen = JSON.parse(await python(READ, queue)) as Record<string, readonly [string, unknown]>;
    const { big, when, bytes, 'x-delivery-count': _, ...plain } = seen;
    expect(Object.fromEntries(Object.entries(plain).map(([name, [, value]]) => [name, value]))).toEqual({
      ...VALUES,
      ...misread,
    });
    expect(plain).toMatchObject({ small: ['int', 5], half: ['float', 0.5], none: ['NoneType', null], yes: ['bool', true] });
    expect([big?.[0], when?.[1], bytes?.[0]]).toEqual(['int', '2026-01-02 03:04:05', 'bytes']);
  });

  test(`Lovage reads Python's headers as they were meant, and passes them on so, through ${type} queues`, async () => {
    await using broker = await openBroker(brokerOptions(amqpUrl()));
    const queue = await freshQueue(broker, args);
    await python(WRITE, queue, VALUES);
    await using reader = await read(broker, queue);
    const wanted = {
      ...VALUES,
      decimal: { '!': 'decimal', value: { places: 2, digits: 314 } },
      time: new Date('2026-01-02T03:04:05Z'),
    };
    const delivery = await reader.one();
    expect(delivery.headers).toEqual(wanted);
    await reader.subscription.settle([{ verdict: 'requeue', delivery, counted: true }]);
    const again = await reader.one();
    expect(again.headers).toMatchObject(wanted);
    expect(again.attempts).toBe(2);
    await reader.ack(again);
  });
}
