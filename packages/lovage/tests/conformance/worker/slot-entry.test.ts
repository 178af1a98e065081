// What slots load where it is not the module of the worker: of a program that is bundled into one file, and of one whose slots have a file
// of their own. And the debugger in each of them.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../../../../../scripts/servers/index.ts';
import { ensureBuilt, project } from '../../support/program.ts';

const APP = `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.task('shop.where', { params: [] }, () => ({ pid: process.pid, slot: app.isSlot, from: import.meta.filename }));
`;

interface Where {
  readonly pid: number;
  readonly slot: boolean;
  readonly from: string;
}

beforeAll(() => ensureBuilt());

/** Runs a program to its end. */
function ran(folder: string, file: string): Promise<{ readonly code: number | null; readonly text: string }> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [file], { cwd: folder }, (_, stdout, stderr) =>
      done({ code: child.exitCode, text: stdout + stderr }),
    );
  });
}

/** Starts a worker with these options, runs one task, says where it ran, and ends. */
const program = (options: string): string => `import { startWorker } from 'lovage/worker';
import { app } from './tasks.ts';
export { app };
if (!app.isSlot) {
  const worker = await startWorker(app, ${options});
  const result = await app.sendTask('shop.where');
  console.log(JSON.stringify({ here: process.pid, ...(await result.get({ timeout: 30 })) }));
  await worker.stop();
  await app.close();
}
`;

describe.each(['prefork', 'threads'])('slots of the pool %s', (pool) => {
  test('load a program that is one bundled file, which names itself', async () => {
    using shop = project({
      'tasks.ts': APP,
      'main.ts': program(`{ pool: '${pool}', concurrency: 1, slotEntry: import.meta.url }`),
    });
    const bundle = await rolldown({ input: join(shop.folder, 'main.ts'), external: /^lovage/, platform: 'node' });
    await bundle.write({ file: join(shop.folder, 'dist.mjs'), format: 'esm' });
    await bundle.close();
    const { code, text } = await ran(shop.folder, 'dist.mjs');
    const { here, pid, slot, from } = JSON.parse(text) as Where & { readonly here: number };
    expect({ code, slot, from }).toEqual({ code: 0, slot: true, from: join(shop.folder, 'dist.mjs') });
    expect(pid === here).toBe(pool === 'threads');
  });

  test('load the file that --slot-entry or workerSlotEntry names, and not that of -A', async () => {
    using shop = project({ 'tasks.ts': APP, 'slots.ts': APP });
    const worker = await shop.worker('-P', pool, '-c', '1', { LOVAGE_WORKER_SLOT_ENTRY: './slots.ts' });
    const call = ['call', 'shop.where', '--wait', '--timeout', '30', '--json'];
    const where = async (): Promise<Where> => (JSON.parse((await shop.run(call)).stdout) as { readonly result: Where }).result;
    expect(await where()).toMatchObject({ slot: true, from: join(shop.folder, 'slots.ts') });
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
    await shop.worker('-P', pool, '-c', '1', '--slot-entry', 'slots.ts');
    expect(await where()).toMatchObject({ slot: true, from: join(shop.folder, 'slots.ts') });
  });

  test('are not started when the file that they shall load is not there', async () => {
    using shop = project({ 'tasks.ts': APP });
    const { code, stderr } = await shop.run(['worker', '-P', pool, '--slot-entry', './nosuch.ts']);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^Error: Slots cannot load the file that slotEntry \(setting workerSlotEntry\) names\. There is no module '\.\/nosuch\.ts'/,
    );
  });

  test('start no workers of their own: a module that would ends the start, with the reason', async () => {
    const main = program(`{ pool: '${pool}', concurrency: 1, module: import.meta.url }`).replace('!app.isSlot', 'true');
    using shop = project({ 'tasks.ts': APP, 'main.ts': main });
    const { code, text } = await ran(shop.folder, 'main.ts');
    expect(code).toBe(1);
    expect(text).toMatch(/No slot of the pool '\w+' can start: .*the module of the app starts a worker.*Ask app\.isSlot/s);
  });
});

describe('slotInspectPort', () => {
  test('opens the debugger of each process on a port of its own, and goes on where that is taken', async () => {
    using shop = project({ 'tasks.ts': APP });
    const port = await freePorts(3);
    const worker = await shop.worker('-P', 'prefork', '-c', '2', '--slot-inspect-port', String(port));
    for (const slot of [0, 1]) {
      await worker.wrote(`Debugger listening on ws://127.0.0.1:${port + slot}/`);
      const answer = await fetch(`http://127.0.0.1:${port + slot}/json/list`);
      expect(await answer.json()).toMatchObject([{ type: 'node', title: expect.stringContaining('slot-process') as unknown }]);
    }
    const other = await shop.worker('-n', 'other', '-P', 'prefork', '-c', '1', {
      LOVAGE_WORKER_SLOT_INSPECT_PORT: String(port),
    });
    await other.wrote(`127.0.0.1:${port} failed: address already in use`);
    other.child.kill('SIGTERM');
    expect(await other.ended).toBe(0);
  });

  test.each(['async', 'inline', 'threads'])('is refused by the pool %s, which has no processes', async (pool) => {
    using shop = project({ 'tasks.ts': APP });
    const { code, stderr } = await shop.run(['worker', '-P', pool, '--slot-inspect-port', '9300']);
    expect(code).toBe(2);
    expect(stderr).toContain("use the pool 'prefork', or start the worker with NODE_OPTIONS=--inspect");
  });
});
