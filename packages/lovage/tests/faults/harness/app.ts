// The app of a worker of a fault run: loaded by its process, and anew by each slot of its pool.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lovage } from 'lovage';
import { BREAK_LOADS, readOrders } from './orders.ts';
import { defineTasks } from './tasks.ts';

const BROKEN_LOADS = 3;
const orders = readOrders();

/** While this file lies in the folder of the ledger, the next few slots find the app broken; each notes itself in a second one. */
const [switchFile, loadsFile] = [join(orders.folder, BREAK_LOADS), join(orders.folder, 'loads.log')];

if (process.env.LOVAGE_SLOT !== undefined && existsSync(switchFile)) {
  appendFileSync(loadsFile, `${process.pid}\n`);
  const loads = readFileSync(loadsFile, 'utf8').split('\n').length - 1;
  if (loads <= BROKEN_LOADS) throw new Error('This module could not be loaded just now.');
}

export const app: Lovage = new Lovage('faults', orders.settings);
defineTasks(app, orders);
if (orders.tasks !== undefined) {
  const more = (await import(orders.tasks)) as { default(app: Lovage, given: typeof orders): void };
  more.default(app, orders);
}
