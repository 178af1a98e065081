// The app of a worker of a fault run: loaded by its process, and anew by each slot of its pool.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { Lovage } from '../../../src/index.ts';
import { readOrders } from './orders.ts';
import { defineTasks } from './tasks.ts';

const orders = readOrders();

/** As many slots as that find the app broken when they load it; noted in a file, since each is a process of its own. */
const { FAULT_BROKEN_LOADS: broken, LOVAGE_SLOT: slot } = process.env;
if (broken !== undefined && slot !== undefined) {
  const file = `${orders.folder}/loads.log`;
  const loads = existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
  appendFileSync(file, `${process.pid}\n`);
  if (loads < Number(broken)) throw new Error('This module could not be loaded just now.');
}

export const app: Lovage = new Lovage('faults', orders.settings);
defineTasks(app, orders);
if (orders.tasks !== undefined) {
  const more = (await import(orders.tasks)) as { default(app: Lovage, given: typeof orders): void };
  more.default(app, orders);
}
