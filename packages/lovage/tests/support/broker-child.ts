// Another process on a broker, driven by its arguments: `hold URL QUEUE COUNT` takes and keeps, `send URL QUEUE BODY` sends and ends,
// `block URL QUEUE COUNT` takes, blocks its event loop for 15 s and acks, `own URL QUEUE COUNT` consumes an auto-delete queue.
// Lines on stdout tell what happened; a line on stdin asks the holder to ack what it holds.
import { DEFAULT_DEAD_LETTERS, type Delivery, openBroker } from '../../src/broker/index.ts';

const [action = '', url = '', queue = '', value = ''] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const broker = await openBroker({
    url,
    appName: 'child',
    connectTimeout: 5,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: DEFAULT_DEAD_LETTERS,
  });
  await broker.declare({
    exchanges: [],
    queues: [{ name: queue, durable: true, autoDelete: action === 'own', arguments: {} }],
    bindings: [],
  });
  if (action === 'send') {
    const message = {
      exchange: '',
      routingKey: queue,
      headers: {},
      properties: { contentType: 'text/plain', contentEncoding: 'utf-8' },
      body: Buffer.from(value),
    };
    await broker.publish([message], { signal: AbortSignal.timeout(10_000) });
    say('sent');
    return; // nothing is closed: a program that only sends ends by itself
  }
  const subscription = await broker.subscribe([queue], { prefetch: Number(value), node: 'child@host' });
  const held: Delivery[] = [];
  const iterator = subscription[Symbol.asyncIterator]();
  while (held.length < Number(value)) {
    const { value: batch, done } = await iterator.next();
    if (done === true) break;
    held.push(...batch);
  }
  say(`held ${held.length}`);
  if (action === 'block') {
    const until = performance.now() + 15_000;
    while (performance.now() < until);
    const lost = await subscription.settle(held.map((delivery) => ({ verdict: 'ack', delivery })));
    say(`lost ${lost.length}`);
  }
  process.stdin.once('data', () => {
    void subscription.settle(held.map((delivery) => ({ verdict: 'ack', delivery }))).then((lost) => say(`lost ${lost.length}`));
  });
}

await main();
