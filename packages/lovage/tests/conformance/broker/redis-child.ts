// A worker for redis-holding.test.ts: takes what is there, says so, and then lives until it is killed. `block` holds its event loop.
import { openBroker } from '../../../src/broker/index.ts';
import { brokerOptions, freshQueue, read, text } from './harness.ts';
import { plainLine } from './redis-harness.ts';

const [url = '', queue = '', mode = 'lovage', what = 'hold', maxLoopBlock = '600'] = process.argv.slice(2);
/** Seconds. */
const lease = what === 'block' ? 2 : 1;
const transportOptions = { inFlight: mode, leaseSeconds: lease, maxLoopBlock: Number(maxLoopBlock) };
const broker = await openBroker(brokerOptions(url, { transportOptions }));
if (what === 'block') {
  // The keeper's thread starts while a worker already works; on a loaded machine that takes longer than this short lease. So it is
  // started by another subscription, before anything is held.
  await using first = await read(broker, await freshQueue(broker));
  await using line = plainLine(url);
  while (!`${await line.call('CLIENT', ['LIST'])}`.includes(`name=lovage:keeper:${process.pid} `));
  await first.subscription.cancel();
}
const reader = await read(broker, queue);
const held = await reader.take(2);
process.stdout.write(`${held.map(text).join(' ')}\n`, () => {
  if (what === 'block') {
    const until = Date.now() + 4000 * lease;
    while (Date.now() < until);
    void reader.ack(...held).then((lost) => process.stdout.write(`lost ${lost.length}\n`));
  }
});
setInterval(() => undefined, 1000);
