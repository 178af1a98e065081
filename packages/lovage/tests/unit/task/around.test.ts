// What stands around a body: signals, handlers, middleware, states, and the parameters read from functions.
import { runInThisContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { createSignals, defineTask, strongerState } from '../../../src/task/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { wire, world } from './world.ts';

describe('signals', () => {
  const order = async (fail: boolean): Promise<string[]> => {
    const { task, run, environment } = world();
    const told: string[] = [];
    const names = ['taskPrerun', 'taskSuccess', 'taskFailure', 'taskRetry', 'taskPostrun'] as const;
    for (const name of names) environment.signals.on(name, async () => void told.push(name));
    task('one', () => {
      if (fail) throw new Error('no');
    });
    await run('one');
    return told;
  };

  test('come in order, one prerun and one postrun for each attempt', async () => {
    expect(await order(false)).toEqual(['taskPrerun', 'taskSuccess', 'taskPostrun']);
    expect(await order(true)).toEqual(['taskPrerun', 'taskFailure', 'taskPostrun']);
  });

  test('cannot change or break what they observe', async () => {
    const { task, run, environment } = world();
    environment.signals.on('task_prerun', (payload) => {
      (payload as { args: unknown }).args = [100];
    });
    environment.signals.on('task_postrun', () => Promise.reject(new Error('late')));
    task('echo', (n: number) => n);
    expect(await run('echo', [1])).toMatchObject({ state: 'SUCCESS', repr: '1' });
  });

  test('filter by sender, connect an observer once, and disconnect it', async () => {
    const { taskPrerun } = createSignals();
    const seen: string[] = [];
    const observer = ({ task }: { task: string }): void => void seen.push(task);
    const stop = taskPrerun.connect(observer, { sender: 'a' });
    taskPrerun.connect(observer, { sender: 'a' });
    const tell = (task: string) => taskPrerun.tell(() => ({ task, id: '1', args: [], kwargs: {} }), task);
    await tell('a');
    await tell('b');
    expect(seen).toEqual(['a']);
    expect(taskPrerun.disconnect(observer, { sender: 'a' })).toBe(true);
    stop();
    await tell('a');
    expect(seen).toEqual(['a']);
    expect(taskPrerun.observed).toBe(false);
  });

  test('of an unknown name are refused with a suggestion', () => {
    expect(() => createSignals().on('task_prerunn' as 'task_prerun', () => undefined)).toThrow("Did you mean 'taskPrerun'?");
  });
});

describe('handlers', () => {
  test('are called around the body and change nothing when they throw', async () => {
    const { task, run } = world();
    const told: string[] = [];
    const handler = (name: string) => () => {
      told.push(name);
      throw new Error(`of ${name}`);
    };
    const handlers = {
      beforeStart: handler('beforeStart'),
      onSuccess: handler('onSuccess'),
      onFailure: handler('onFailure'),
      onRetry: handler('onRetry'),
      onReplace: handler('onReplace'),
      afterReturn: handler('afterReturn'),
    };
    task('good', handlers, () => told.push('body'));
    task('bad', handlers, () => {
      throw new RangeError('no');
    });
    task('again', { ...handlers, bind: true }, (ctx) => ctx.retry());
    task('gone', { ...handlers, bind: true }, (ctx) => ctx.replace({ toWire: () => wire('good') }));
    expect((await run('good')).state).toBe('SUCCESS');
    expect((await run('bad')).error?.message).toBe('no');
    expect((await run('again')).state).toBe('RETRY');
    expect((await run('gone')).state).toBe('IGNORED');
    expect(told).toEqual([
      ...['beforeStart', 'body', 'onSuccess', 'afterReturn'],
      ...['beforeStart', 'onFailure', 'afterReturn'],
      ...['beforeStart', 'onRetry'],
      ...['beforeStart', 'onReplace'],
    ]);
  });
});

describe('middleware', () => {
  test('wraps executions, the first one outermost, and may change value and error', async () => {
    const told: string[] = [];
    const { task, run } = world({
      middleware: [
        {
          name: 'outer',
          execute: async (context, next) => {
            told.push(`outer ${context.name}`);
            return `<${await next()}>`;
          },
        },
        { name: 'idle' },
        {
          name: 'inner',
          execute: async (_, next) => {
            told.push('inner');
            return next();
          },
        },
      ],
    });
    task('one', () => 'v');
    expect((await run('one')).repr).toBe("'<v>'");
    expect(told).toEqual(['outer one', 'inner']);
  });

  test('cannot run a body twice', async () => {
    const { task, run } = world({
      middleware: [{ name: 'twice', execute: async (_, next) => [await next(), await next()] }],
    });
    let runs = 0;
    task('one', () => runs++);
    expect((await run('one')).error?.message).toContain("'twice' called next() twice");
    expect(runs).toBe(1);
  });
});

describe('parameters', () => {
  const read = (run: (...args: never[]) => unknown, bind = false) => {
    const { params, arity } = defineTask('t', { bind }, run);
    return [params, arity?.max];
  };
  const fromText = (text: string) => runInThisContext(`(${text})`) as (...args: never[]) => unknown;

  test.each([
    ['(a, b) => a + b', ['a', 'b'], 2],
    ['async (path, width = 3) => path', ['path', 'width'], 2],
    ['function named(a /* , not b */, c = ",)") { return a; }', ['a', 'c'], 2],
    ['async function* gen(x) { yield x; }', ['x'], 1],
    ['value => value', ['value'], 1],
    ['(a, ...rest) => a', ['a'], Number.POSITIVE_INFINITY],
    ['({ a, b }, c) => c', undefined, 2],
    ['(e,t)=>e', undefined, 2],
    ['e=>e', undefined, 1],
    ['function () { return arguments.length; }', undefined, undefined],
    ['() => 1', [], 0],
  ])('are read from %s', (text, params, max) => {
    expect(read(fromText(text))).toEqual([params, max]);
  });

  test('do not count the context', () => {
    expect(read((_ctx: never, a: never) => a, true)).toEqual([['a'], 1]);
  });

  test('may be declared, optional ones with a question mark', () => {
    const { params, arity } = defineTask('t', { params: ['a', 'b?'] }, () => 1);
    expect([params, arity]).toEqual([['a', 'b'], { min: 1, max: 2 }]);
    expect(() => defineTask('t', { params: ['a', 'a'] }, () => 1)).toThrow(ConfigurationError);
  });
});

test('of two states the stronger one is the nearer to the end', () => {
  expect(strongerState('STARTED', 'SUCCESS')).toBe('SUCCESS');
  expect(strongerState('FAILURE', 'PROGRESS')).toBe('FAILURE');
  expect(strongerState('RECEIVED', 'PROGRESS')).toBe('PROGRESS');
  expect(strongerState('PENDING', 'RETRY')).toBe('RETRY');
});
