// The signals of programs, where they are told: in a worker, in its processes, in beat, in whoever calls; each as often as it should be.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ensureBuilt, project } from '../../support/program.ts';

const TASKS = `import { appendFileSync } from 'node:fs';
import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.task('shop.add', (a: number, b: number) => a + b);
const where = process.argv[1]?.includes('slot-process') ? 'slot' : process.argv[2];
for (const name of [
  'on_configure', 'on_after_configure', 'import_modules', 'on_after_finalize', 'celeryd_init', 'worker_init', 'celeryd_after_setup',
  'worker_before_create_process', 'worker_process_init', 'worker_process_shutdown', 'worker_ready', 'worker_shutting_down',
  'worker_shutdown', 'beat_init', 'beat_embedded_init', 'before_task_publish', 'after_task_publish', 'task_received', 'task_prerun',
  'task_success', 'task_postrun',
] as const) app.signals.on(name, () => appendFileSync('signals', \`\${where} \${name}\\n\`));
`;
const shop = project({ 'tasks.ts': TASKS });
beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

const told = (where: string): readonly string[] =>
  readFileSync(join(shop.folder, 'signals'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${where} `))
    .map((line) => line.slice(where.length + 1));

test('a worker with processes and beat tells each of its signals once, in the process where it belongs', async () => {
  const worker = await shop.worker('-P', 'prefork', '-c', '1', '-B');
  await vi.waitFor(() => expect(told('worker')).toContain('beat_embedded_init'), { timeout: 10_000, interval: 20 });
  expect(await shop.run(['call', 'shop.add', '[1, 2]', '--wait'])).toMatchObject({ code: 0 });
  worker.child.kill('SIGTERM');
  await worker.ended;
  const app = ['on_configure', 'on_after_configure', 'import_modules', 'on_after_finalize'];
  const start = ['celeryd_init', 'worker_init', 'celeryd_after_setup', 'worker_before_create_process'];
  const end = ['task_received', 'worker_shutting_down', 'worker_shutdown'];
  const ofBeat = ['beat_init', 'beat_embedded_init'];
  expect(told('worker').filter((name) => !ofBeat.includes(name))).toEqual([...app, ...start, 'worker_ready', ...end]);
  expect(told('worker').filter((name) => ofBeat.includes(name))).toEqual(ofBeat);
  const run = ['task_prerun', 'task_success', 'task_postrun'];
  expect(told('slot')).toEqual([...app, 'worker_process_init', ...run, 'worker_process_shutdown']);
  expect(told('call')).toEqual([...app, 'before_task_publish', 'after_task_publish']);
});
