// What the tests of pools run: a task for each way to end, loaded by the slots as any app is.
import { appendFileSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { Lovage } from '../../../src/index.ts';

export const app: Lovage = new Lovage('pools', { brokerUrl: 'sqlite://:memory:', resultBackend: 'disabled' });

const never = (): Promise<never> => new Promise(() => undefined);
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

app.task('add', (x: number, y: number) => x + y);
app.task('fail', (text: string): void => {
  throw new RangeError(text);
});
app.task('echo', (value: unknown) => value);
app.task('size', (text: string) => text.length);
app.task('big', (bytes: number) => 'x'.repeat(bytes));
app.task('circular', () => {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
});
app.task('where', () => ({ pid: process.pid, slot: process.env.LOVAGE_SLOT, node: process.env.LOVAGE_NODE }));
app.task('options', () => process.execArgv);
app.task('hang', never);
app.task(
  'slow-to-fail',
  {
    onFailure: async (_error, _id, [file]) => {
      appendFileSync(String(file), 'told\n');
      await new Promise((resolve) => setTimeout(resolve, 500));
    },
  },
  (_file: string) => never(),
);
app.task('tell-at-once', { errback: 'inline' }, (_request: unknown, _error: unknown, _traceback: unknown, file: string) => {
  appendFileSync(file, 'told\n');
  const end = performance.now() + 500;
  while (performance.now() < end);
});
app.task('unfinished-line', (text: string) => {
  process.stdout.write(text);
  process.exit(3);
});
app.task('heed', { bind: true }, (ctx) => aborted(ctx.signal));
app.task('spin', () => {
  for (;;);
});
app.task('compute', (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
});
app.task('compute-politely', { bind: true }, (ctx, ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end) ctx.throwIfAborted();
});
app.task('spin-politely', { bind: true }, (ctx) => {
  for (;;) ctx.throwIfAborted();
});
app.task('wait', (ms: number) => new Promise((resolve) => setTimeout(() => resolve(process.pid), ms)));
app.task('native', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
app.task('exit', (code: number) => process.exit(code));
app.task('signal', (name: NodeJS.Signals) => {
  process.kill(process.pid, name);
  return never();
});
app.task('memory', () => {
  const kept: number[][] = [];
  for (;;) kept.push(Array.from({ length: 100_000 }, () => 1));
});
app.task('leak', (megabytes: number) => {
  leaked.push(Buffer.alloc(megabytes * 1_048_576, 1));
  return process.pid;
});
const leaked: Buffer[] = [];
app.task('uncaught', () => {
  setTimeout(() => {
    throw new Error('out of nowhere');
  });
  return never();
});
app.task('bomb', () => {
  setTimeout(() => {
    throw new Error('long after');
  }, 50);
});
app.task('exits-later', () => void setTimeout(() => process.exit(3), 50));
app.task('throws-nothing', () => {
  setTimeout(() => {
    throw null as unknown as Error;
  });
  return never();
});
app.task('post', () => parentPort?.postMessage({ for: 'whoever listens' }));
app.task('garble', () => {
  const bytes = new Uint8Array([0, 0, 0, 1, 8]);
  if (parentPort === null) writeSync(3, bytes);
  else parentPort.postMessage(bytes);
  return never();
});
app.task('unhandled', () => {
  void Promise.reject(new Error('nobody cares'));
  return never();
});
app.task('print', (text: string) => {
  console.log(text);
  console.error(`and ${text}`);
});
app.task('last-words', { bind: true }, (ctx, text: string) => {
  console.log(text);
  ctx.log.warning('logged {text}', { text });
  process.kill(process.pid, 'SIGKILL');
  return never();
});
