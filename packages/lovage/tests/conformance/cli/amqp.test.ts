// `lovage amqp` on real brokers: what is declared, sent, taken and given back.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { uuid } from '../../../src/util/index.ts';
import { ensureBuilt, project } from '../../support/program.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';

const shop = project({});
beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

const urls = { sqlite: () => `sqlite://${join(shop.folder, 'amqp.db')}`, redis: redisUrl, amqp: amqpUrl };

function parsed(stdout: string): readonly unknown[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

test.each(['sqlite', 'redis', 'amqp'] as const)(
  'a session from a pipe declares, sends, takes and deletes, on %s',
  async (kind) => {
    const [queue, exchange] = [`q-${uuid()}`, `x-${uuid()}`];
    const input = `# a comment, and an empty line

exchange.declare ${exchange} topic
queue.declare ${queue}
queue.bind ${queue} ${exchange} 'mail.#' topic
basic.publish "good morning" ${exchange} mail.in
basic.publish second '' ${queue}
basic.get ${queue}
basic.ack 1
basic.get ${queue} no_ack=yes
basic.get ${queue}
queue.purge ${queue} -f
queue.delete ${queue} --force
exit
nonsense
`;
    const words = ['-b', urls[kind](), 'amqp'];
    const ran = await shop.run([...words, '--json'], { input });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(parsed(ran.stdout)).toMatchObject([
      { ok: true },
      { queue, messages: 0 },
      { ok: true },
      { ok: true },
      { ok: true },
      { body: 'good morning', tag: 1, exchange, routingKey: 'mail.in', redelivered: false, remaining: 1 },
      { ok: true },
      { body: 'second', remaining: 0, properties: { contentType: 'text/plain', contentEncoding: 'utf-8' } },
      { message: null },
      { deleted: 0 },
      { deleted: 0 },
    ]);
    if (kind === 'amqp') await shop.run([...words, 'exchange.delete', exchange, '-f']);
  },
);

test.each(['sqlite', 'redis', 'amqp'] as const)(
  'what one command takes goes back, and what cannot be is told, on %s',
  async (kind) => {
    const queue = `q-${uuid()}`;
    const words = ['-b', urls[kind](), 'amqp'];
    expect(await shop.run([...words, 'queue.declare', queue])).toEqual({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`^queue:${queue} messages:0.*\nOK\n$`)) as unknown,
      stderr: '',
    });
    expect(await shop.run([...words, 'basic.publish', 'one', '', queue])).toEqual({ code: 0, stdout: 'OK\n', stderr: '' });
    for (let time = 0; time < 2; time++)
      expect(JSON.parse((await shop.run([...words, 'basic.get', queue, '--json'])).stdout)).toMatchObject({ body: 'one' });
    const unasked = await shop.run([...words, 'queue.delete', queue]);
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--force') as unknown });
    expect(await shop.run([...words, 'queue.delete', queue, 'if_empty=yes', '-f'])).toMatchObject({
      code: kind === 'amqp' ? 1 : 2,
    });
    const [nowhere, exchange] = [`${queue}-nowhere`, kind === 'redis' ? `${queue}-nothing` : ''];
    expect(await shop.run([...words, 'basic.publish', 'x', exchange, nowhere])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(nowhere) as unknown,
    });
    expect(await shop.run([...words, 'basic.ack', '7'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('tag 7') as unknown,
    });
    expect((await shop.run([...words, 'queue.delete', queue, '-f'])).stdout).toBe('1 message deleted.\nOK\n');
    // Redis keeps no empty queues, so there every queue is there.
    expect(await shop.run([...words, 'basic.get', queue])).toMatchObject({ code: kind === 'redis' ? 0 : 1 });
    if (kind !== 'amqp')
      expect(await shop.run([...words, 'exchange.delete', 'x', '-f'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('queues are bound') as unknown,
      });
  },
);

test.each([
  [['queue.declrae', 'x'], "Did you mean 'queue.declare'?"],
  [['queue.declare'], 'queue is missing: queue.declare QUEUE'],
  [['queue.declare', 'q', 'durable=maybe'], 'must be yes or no'],
  [['queue.purge', 'q', 'r'], "'r' is one word too many"],
  [['basic.ack', 'first'], 'must be the number'],
])('%j is a mistake told in one line, before anybody connects', async (words, text) => {
  const ran = await shop.run(['-b', 'amqp://127.0.0.1:1', 'amqp', ...words]);
  expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(text) as unknown });
  expect(ran.stderr.trim()).not.toContain('\n');
});
