// A Python client of one result store, as a child process: Debian's Celery reads what Lovage wrote and writes what Lovage reads.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardGroup, releaseGroup } from '../../../../scripts/servers/guard.ts';
import { requireBinary } from '../../../../scripts/servers/install.ts';

/** What Python sees of a result. */
export interface PythonResult {
  readonly state: string;
  /** The value; of an exception its module, its class and its arguments as text. */
  readonly result: unknown;
  readonly traceback: string | null;
  readonly done: string | null;
  readonly name: string | null;
  readonly args: unknown;
  readonly kwargs: unknown;
  readonly worker: string | null;
  readonly retries: number | null;
  readonly queue: string | null;
}

export interface PythonResults extends AsyncDisposable {
  read(id: string): Promise<PythonResult>;
  /** Anything that python/results.py defines. */
  call(name: string, ...args: readonly unknown[]): Promise<unknown>;
}

/** `modules`: what Python needs beside Celery, with the Debian package of each. */
export function startPythonResults(
  backend: string,
  settings: Readonly<Record<string, unknown>> = {},
  modules: Readonly<Record<string, string>> = {},
): PythonResults {
  for (const [module, pack] of Object.entries({ 'celery/__init__.py': 'python3-celery', ...modules }))
    requireBinary([`/usr/lib/python3/dist-packages/${module}`], [pack]);
  const { PYTHONPATH: _, ...env } = process.env;
  const script = join(import.meta.dirname, 'python', 'results.py');
  const child = spawn('/usr/bin/python3', ['-u', script, backend, JSON.stringify(settings)], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  if (child.pid !== undefined) guardGroup(child.pid);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  async function call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    child.stdin.write(`${JSON.stringify([name, args])}\n`);
    const { value, done } = await answers.next();
    if (done === true) throw new Error('The Python client ended.');
    const answer = JSON.parse(value) as { readonly ok?: unknown; readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.ok;
  }

  return {
    call,
    read: async (id) => (await call('read', id)) as PythonResult,
    [Symbol.asyncDispose]: async () => {
      const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.stdin.end();
      const impatient = setTimeout(() => child.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(impatient);
      if (child.pid !== undefined) releaseGroup(child.pid);
    },
  };
}
