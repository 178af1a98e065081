// A program that only sends, for redis-holding.test.ts: it closes nothing and must end by itself.
import { openBroker } from '../../../src/broker/index.ts';
import { brokerOptions, message, publish } from './harness.ts';

const [url = '', queue = ''] = process.argv.slice(2);
await publish(await openBroker(brokerOptions(url)), message(queue, 'sent'));
