// Sends many tasks as quickly as it can: each line on its standard input is a number; `filled` answers with the tasks a second.
import { createInterface } from 'node:readline';
import { Lovage } from 'lovage';
import { readOrders, say } from './orders.ts';

const TOGETHER = 2000;

const app = new Lovage('faults', readOrders().settings);

async function fill(count: number): Promise<void> {
  const began = performance.now();
  for (let sent = 0; sent < count; sent += TOGETHER)
    await Promise.all(
      Array.from({ length: Math.min(TOGETHER, count - sent) }, () => app.sendTask('fault.nothing', { args: [0] })),
    );
  say(`filled ${Math.round(count / ((performance.now() - began) / 1000))}`);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => void fill(Number(line)));
lines.on('close', () => process.exit(0));
say('ready');
