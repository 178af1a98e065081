// Sends all dead letters of the queue again, as `app.deadLetters().resend()` does, and says when it begins and how many there were.
import { Lovage } from 'lovage';
import { readOrders, say } from './orders.ts';

const app = new Lovage('faults', readOrders().settings);
say('ready');
const sent = await app.deadLetters().resend();
say(`sent ${sent.length}`);
await app.close();
process.exit(0);
