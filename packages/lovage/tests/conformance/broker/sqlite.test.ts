import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openBroker } from '../../../src/broker/index.ts';
import { brokerOptions } from './harness.ts';
import { type BrokerHarness, describeBroker } from './suite.ts';

/** What another process does to one that stood still: gives back what it held, and its rows are gone. */
function takeEverythingOver(path: string): void {
  const db = new DatabaseSync(path, { timeout: 5000 });
  db.exec(`BEGIN IMMEDIATE;
    INSERT INTO lovage_ready SELECT m.queue, m.rank, h.id, h.attempts + 1, 1 FROM lovage_held AS h JOIN lovage_messages AS m ON m.id = h.id;
    DELETE FROM lovage_held; DELETE FROM lovage_holders; DELETE FROM lovage_owners;
    COMMIT;`);
  db.close();
}

async function setup(): Promise<BrokerHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-broker-'));
  const path = join(folder, 'broker.db');
  return {
    open: (options) => openBroker(brokerOptions(`sqlite://${path}`, options)),
    cut: async () => takeEverythingOver(path),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

describeBroker('sqlite', setup, {
  remembersQueues: true,
  countsParked: true,
  looksInside: true,
  handsOn: true,
  expires: false,
  earliness: 0.01,
  priorityArguments: {},
});
