import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';
import { type Command, ok, Refusal } from '../seam.ts';

/** What a file may be called anywhere. */
const plain = (node: string): string => node.replaceAll(/[^\w.@-]+/g, '_');

export const heapSnapshot: Command = {
  name: 'heap_snapshot',
  help: 'Write the heap of a worker into a file on its machine (setting workerHeapSnapshotDir). It stands still meanwhile.',
  run: ({ host, port }) => {
    const { workerHeapSnapshotDir: folder } = port.settings;
    if (folder === null)
      throw new Refusal(
        'Heap snapshots hold everything that is in memory, so they are off: the setting workerHeapSnapshotDir names the folder for them.',
      );
    const moment = new Date().toISOString().replaceAll(/[-:.]/g, '');
    const file = join(resolve(folder), `${plain(host.hostname)}-${process.pid}-${moment}.heapsnapshot`);
    mkdirSync(resolve(folder), { recursive: true, mode: 0o700 });
    // Made here, so that nobody else may read it and nothing that was there is written over.
    closeSync(openSync(file, 'wx', 0o600));
    return ok(writeHeapSnapshot(file));
  },
};
