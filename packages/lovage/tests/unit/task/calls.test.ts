// Calling tasks: handles, arguments, options, schemas, signatures.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type DeclareOptions,
  hostOf,
  type Signature,
  signatureFromWire,
  type TaskContext,
  type TypedCallOptions,
} from '../../../src/task/index.ts';
import { AlreadyRegisteredError, ArgumentsError, ConfigurationError, NotRegisteredError } from '../../../src/util/index.ts';
import { wire, world } from './world.ts';

describe('a handle', () => {
  test('sends its call and gives the result', async () => {
    const { task, sent, runSent } = world();
    const add = task('add', (x: number, y: number) => x + y);
    const result = await add.delay(1, 2);
    await runSent(sent[0]!);
    expect(await result.get({ timeout: 5 })).toBe(3);
    expect(await add.result(result.id).get({ timeout: 5 })).toBe(3);
  });

  test('runs in this process when it is called, without a trace', async () => {
    const { task, sent, results } = world();
    const seen: TaskContext[] = [];
    const add = task('add', { bind: true, onSuccess: () => expect.unreachable() }, async (ctx, x: number, y: number) => {
      seen.push(ctx);
      await ctx.updateState('PROGRESS');
      return x + y;
    });
    expect(await add(1, 2)).toBe(3);
    expect(seen[0]?.request).toMatchObject({ calledDirectly: true, isEager: false });
    expect((await results.meta(seen[0]?.request.id ?? '')).status).toBe('PENDING');
    expect(sent).toEqual([]);
  });

  test('throws the error of a retry when it is called', async () => {
    const { task } = world();
    const flaky = task('flaky', { bind: true }, (ctx) => ctx.retry({ error: new RangeError('now') }));
    await expect(flaky()).rejects.toThrow(RangeError);
  });

  test('has the name and definition of its task', () => {
    const { task } = world();
    const add = task('math.add', { queue: 'math' }, (x: number) => x);
    expect([add.name, add.options.queue, add.definition.params]).toEqual(['math.add', 'math', ['x']]);
  });

  test('of a task elsewhere sends by name', async () => {
    const { remote, sent } = world();
    const fit = remote<(x: number) => string>('trainer.fit', { queue: 'gpu', priority: 3 });
    await fit.applyAsync([1], { kwargs: { model: 'small' }, priority: 5 });
    expect(sent[0]?.request.task).toBe('trainer.fit');
    expect(sent[0]?.body).toMatchObject({ args: [1], kwargs: { model: 'small' } });
    expect(sent[0]?.message).toMatchObject({ routingKey: 'gpu', properties: { priority: 5 } });
  });
});

describe('the registry', () => {
  test('refuses a second task of one name', () => {
    const { task } = world();
    task('one', () => 1);
    expect(() => task('one', () => 2)).toThrow(AlreadyRegisteredError);
  });

  test('suggests a name for one that it does not know', () => {
    const { task, environment } = world();
    task('shop.resize', () => 1);
    expect(() => environment.registry.get('shop.rezise')).toThrow(NotRegisteredError);
    expect(() => environment.registry.get('shop.rezise')).toThrow("Did you mean 'shop.resize'?");
    expect([...environment.registry].map(({ name }) => name)).toEqual(['shop.resize']);
  });
});

describe('arguments', () => {
  const send = (params: readonly string[] | undefined, args: readonly unknown[], kwargs = {}, typing?: boolean) => {
    const { task, sent } = world();
    const options: DeclareOptions = { ...(params === undefined ? {} : { params }), ...(typing === undefined ? {} : { typing }) };
    const handle = task(
      'fn',
      options as { readonly bind?: false; readonly input?: undefined; readonly output?: undefined },
      (a: unknown, b: unknown) => [a, b],
    );
    return handle.applyAsync(args as [unknown, unknown], { kwargs }).then(() => sent);
  };

  test.each([
    ['too many', undefined, [1, 2, 3], {}, 'takes at most 2 arguments (a, b), but got 3'],
    ['too few', ['a', 'b'], [1], {}, 'takes 2 arguments (a, b), but got no value for b'],
    ['an unknown name', undefined, [1], { c: 1 }, 'no parameter for the keyword arguments c'],
    ['one value twice', undefined, [1], { a: 1 }, 'two values for a'],
  ])('that are wrong (%s) are refused before anything is sent', async (_, params, args, kwargs, message) => {
    await expect(send(params, args, kwargs)).rejects.toThrow(ArgumentsError);
    await expect(send(params, args, kwargs)).rejects.toThrow(message);
  });

  test('that are optional may be left out', async () => {
    expect(await send(['a', 'b?'], [1])).toHaveLength(1);
    expect(await send(undefined, [1])).toHaveLength(1);
    expect(await send(['a', '...rest'], [1, 2, 3])).toHaveLength(1);
    expect(await send(['a', 'b'], [], { a: 1, b: 2 })).toHaveLength(1);
  });

  test('given as undefined at the end are not sent', async () => {
    expect((await send(undefined, [1, undefined]))[0]?.body.args).toEqual([1]);
  });

  test('are not checked when the task does not want it', async () => {
    expect(await send(undefined, [1, 2, 3], {}, false)).toHaveLength(1);
  });
});

describe('options', () => {
  test('that do not exist are refused with a suggestion', async () => {
    const { task } = world();
    const add = task('add', (x: number) => x);
    const call = (options: object) => add.applyAsync([1], options as TypedCallOptions<number>);
    await expect(call({ coutdown: 5 })).rejects.toThrow("unknown option 'coutdown'. Did you mean 'countdown'?");
    expect(() => task('bad', { max_retrys: 1 } as object, () => 1)).toThrow("Did you mean 'maxRetries'?");
    expect(() => add.s(1).set({ queu: 'q' } as object)).toThrow(ConfigurationError);
    await expect(add.apply([1], { queue: 'q' } as object)).rejects.toThrow(ConfigurationError);
  });

  test('of time must agree', () => {
    const { task } = world();
    expect(() => task('bad', { rateLimit: '5/x' }, () => 1)).toThrow(/rateLimit must be .*'100\/m'/);
    expect(() => task('bad', { rateLimit: -1 }, () => 1)).toThrow('rateLimit');
    expect(() => task('bad', { softTimeLimit: 9, timeLimit: 5 }, () => 1)).toThrow(
      'softTimeLimit (9 s) above its timeLimit (5 s)',
    );
  });
});

describe('schemas', () => {
  test('check the call, and give the body what they make of it', async () => {
    const { task, sent, runSent, results } = world();
    const order = task('order', { input: [z.string().min(3), z.coerce.number()] }, (id, amount) => [id, typeof amount]);
    await expect(order.delay('x', 1)).rejects.toThrow(ArgumentsError);
    await expect(order.delay('x', 1)).rejects.toThrow('order: id is not valid');
    const result = await order.delay('o-1', '12');
    expect(sent[0]?.body.args).toEqual(['o-1', '12']);
    await runSent(sent[0]!);
    expect((await results.meta(result.id)).result).toEqual(['o-1', 'number']);
  });

  test('are asked in the worker also for what came from elsewhere', async () => {
    const { task, run } = world();
    task('order', { input: z.object({ id: z.string() }) }, () => expect.unreachable());
    const outcome = await run('order', [{ id: 5 }]);
    expect(outcome.error).toMatchObject({ type: 'ArgumentsError' });
    expect(outcome.error?.message).toContain('id:');
  });

  test('that have to wait are asked in the worker only', async () => {
    const { task, sent, runSent } = world();
    const slow = task('slow', { input: z.string().refine(async (value) => value === 'good') }, (value) => value);
    await slow.delay('bad');
    expect((await runSent(sent[0]!)).state).toBe('FAILURE');
  });

  test('of the result change or refuse it', async () => {
    const { task, run, metas } = world();
    task('out', { output: z.object({ n: z.number().transform((n) => n * 2) }) }, (n: number) => ({ n, more: 1 }));
    expect(metas(await run('out', [2]))[0]?.result).toEqual({ n: 4 });
    expect((await run('out', ['x'])).error?.message).toContain('output schema refuses');
  });
});

describe('a signature', () => {
  test('is data that nothing changes', () => {
    const { task } = world();
    const add = task('add', (x: number, y: number) => x + y);
    const first = add.s(2);
    const second = first.set({ queue: 'q', countdown: 3 });
    expect(first.toWire()).toEqual(wire('add', { args: [2] }));
    expect(second.toWire()).toEqual(wire('add', { args: [2], options: { queue: 'q', countdown: 3 } }));
    expect(JSON.stringify(add.si(1, 2))).toBe(
      '{"task":"add","args":[1,2],"kwargs":{},"options":{},"subtask_type":null,"immutable":true}',
    );
    expect(Object.isFrozen(first)).toBe(true);
  });

  test('puts what it lacks first', async () => {
    const { task, sent } = world();
    const sub = task('sub', (x: number, y: number) => x - y);
    await sub.s(10).delay(30);
    await sub.s(10).with(20).delay();
    expect(sent.map(({ body }) => body.args)).toEqual([
      [30, 10],
      [20, 10],
    ]);
  });

  test('is checked when it is sent', async () => {
    const { task } = world();
    const loose: Signature<readonly unknown[], number> = task('add', (x: number) => x).s(1) as never;
    await expect(loose.delay('one more')).rejects.toThrow(ArgumentsError);
  });

  test('carries its links, each once', async () => {
    const { task, sent } = world();
    const add = task('add', (x: number, y: number) => x + y);
    const oops = task('oops', (id: string) => id);
    await add.s(1, 2).link(add.s(3)).link(add.s(3)).linkError(oops.s()).delay();
    expect(sent[0]?.body.embed).toMatchObject({ callbacks: [wire('add', { args: [3] })], errbacks: [wire('oops')] });
  });

  test('comes back from the wire as it went, with what nobody here knows', async () => {
    const { port, sent, task } = world();
    const add = task('add', (x: number, y: number) => x + y);
    const options = {
      task_id: 'id',
      reply_to: 'me',
      group_id: 'g',
      group_index: 1,
      link: [wire('next')],
      stamped_headers: ['mon'],
      mon: 'abc',
      app_id: 'shop',
    };
    const signature = signatureFromWire(wire('add', { args: [1, 2], options }), hostOf(port));
    expect(signature.toWire().options).toEqual(options);
    await signature.applyAsync([], { groupId: 'other', stamps: { mon: 'new' } });
    expect(sent[0]?.request).toMatchObject({ id: 'id', group: 'g', stamps: { mon: 'abc' } });
    expect(
      add
        .s(1)
        .set({ eta: new Date(0), expires: 5, timeLimit: 9 })
        .toWire().options,
    ).toEqual({
      eta: '1970-01-01T00:00:00+00:00',
      expires: 5,
      time_limit: 9,
    });
  });
});
