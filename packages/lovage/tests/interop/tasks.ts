// The TypeScript side of the interop tests: the same tasks as python/peer.py, under the prefix `js.`.
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lovage } from '../../src/index.ts';

export function defineTasks(app: Lovage): void {
  app.task('js.join', (first: unknown, second: unknown, third: unknown = '-') => `${first}|${second}|${third}`);
  app.task('js.echo', (value: unknown) => value);
  app.task('js.describe', (value: unknown) => describe(value));
  app.task('js.request', { bind: true }, (context) => {
    const { request } = context;
    return {
      id: request.id,
      shadow: request.shadow ?? null,
      root: request.rootId,
      parent: request.parentId ?? null,
      mine: request.headers.mine ?? null,
      limits: [request.timeLimit ?? null, request.softTimeLimit ?? null],
      retries: request.retries,
      argsrepr: request.argsRepr,
      kwargsrepr: request.kwargsRepr,
      priority: request.deliveryInfo.priority ?? null,
      correlation: request.correlationId ?? null,
      replyTo: request.replyTo ?? null,
      eta: request.eta ?? null,
      expires: request.expires ?? null,
    };
  });
  app.task('js.fail', (message: string) => {
    throw new RangeError(message);
  });
  app.task('js.flaky', { bind: true, defaultRetryDelay: 0.2, maxRetries: 3 }, (context, times: number) => {
    if (context.request.retries < times) return context.retry({ error: new RangeError(`attempt ${context.request.retries}`) });
    return `after ${context.request.retries}`;
  });
  app.task('js.exhausted', { bind: true, maxRetries: 1 }, (context) =>
    context.retry({ error: new TypeError('never'), countdown: 0 }),
  );
  app.task('js.progress', { bind: true }, async (context, gate: string) => {
    await context.updateState('PROGRESS', { done: 1 });
    const limit = Date.now() + 30_000;
    while (!existsSync(gate) && Date.now() < limit) await delay(20);
    return 'through';
  });
  app.task('js.slow', { bind: true }, async (context, seconds: number) => {
    await delay(seconds * 1000, undefined, { signal: context.signal }).catch(() => {
      throw context.signal.reason;
    });
    return 'too late';
  });
  app.task('js.ignored', { ignoreResult: true }, (path: string) => appendFileSync(path, 'js:ignored\n'));
  app.task('js.mark', (value: unknown, path: string) => {
    appendFileSync(path, `js:${value}\n`);
    return value;
  });
  // Long enough that one worker alone could not have taken all of them.
  app.task('both.where', async () => {
    await delay(100);
    return 'typescript';
  });
}

/** What a value looks like from here, in words that a test can compare. */
export function describe(value: unknown): string {
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'bigint') return `bigint ${value}`;
  return `${value === null ? 'null' : typeof value} ${JSON.stringify(value)}`;
}
