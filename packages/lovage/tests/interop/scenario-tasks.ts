// The tasks that the canvases of python/scenarios.py are made of.
import { appendFileSync } from 'node:fs';
import { group, type Lovage } from '../../src/index.ts';
import type { WireSignature } from '../../src/protocol/index.ts';

class ExpectedException extends Error {
  override readonly name = 'ExpectedException';
}

/** Declares them; errbacks write to `path` what they are told. */
export function declareScenarioTasks(app: Lovage, path: string): void {
  const add = app.task('js.add', { params: ['x', 'y', 'z?'] }, (x: number, y: number, z: number = 0) => x + y + z);
  app.task('js.sum', { params: ['list', 'b?'] }, (list: readonly (number | number[])[], b: number = 0) =>
    list.flat().reduce((sum, n) => sum + n, b),
  );
  app.task('js.same', (value: unknown) => value);
  app.task('js.none', () => null);
  app.task('js.kw', { params: ['x', 'a?', 'b?'] }, (x: unknown, a: unknown = null, b: unknown = null) => [x, a, b]);
  app.task('js.fail', (...args: readonly unknown[]) => {
    throw new ExpectedException(args.join(','));
  });
  app.task('js.ids', { bind: true, params: ['i'] }, ({ request }, i: number) => [request.rootId, request.parentId ?? null, i]);
  app.task('js.idsf', { bind: true, params: ['before', 'i'] }, ({ request }, before: unknown, i: number) => [
    before,
    [request.rootId, request.parentId ?? null, i],
  ]);
  app.task('js.place', { bind: true, params: ['x?'] }, ({ request }) => [
    request.group ?? null,
    request.groupIndex ?? null,
    request.rootId,
    request.parentId ?? null,
    request.id,
  ]);
  app.task('js.stamps', { bind: true, params: ['x?'] }, ({ request }) => [
    request.stamps,
    [...(request.stampedHeaders ?? [])].sort(),
  ]);
  app.task('js.retry_once', { bind: true, params: ['x?'], maxRetries: 2 }, (context, x: unknown = null) =>
    context.request.retries > 0 ? x : context.retry({ countdown: 0 }),
  );
  app.task('js.retry_fail', { bind: true, maxRetries: 1 }, (context) =>
    context.retry({ countdown: 0, error: new ExpectedException('worn') }),
  );
  app.task('js.ignore', { bind: true, params: ['x?'] }, (context) => context.ignore('x'));
  app.task('js.reject', { bind: true, params: ['x?'] }, (context) => context.reject('x'));
  app.task('js.add_replaced', { bind: true }, (context, x: number, y: number) => context.replace(add.s(x, y)));
  app.task('js.add_to_all', { bind: true }, (context, numbers: readonly number[], n: number) =>
    context.replace(group(numbers.map((number) => add.s(number, n)))),
  );
  app.task('js.swap', { bind: true }, (context, wire: WireSignature) => context.replace(app.signature(wire)));
  app.task('js.chord_add', { bind: true }, async (context, x: number, y: number) => {
    await context.addToChord(add.s(x, x));
    return x + y;
  });
  app.task('js.errback_old', { errback: 'task' }, (id: string, mark: string) => appendFileSync(path, `${mark} ${id}\n`));
  app.task('js.errback_new', (request: { readonly id: string }, error: Error, traceback: unknown, mark: string) =>
    appendFileSync(path, `${mark} ${request.id} ${error.name} ${traceback === undefined ? 'none' : 'tb'}\n`),
  );
}
