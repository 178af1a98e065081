// Signatures and canvases as values: what each method gives, what the wire may bring, what is refused and how.
import { describe, expect, test } from 'vitest';
import { chain, chord, chunks, group } from '../../../src/index.ts';
import type { WireSignature } from '../../../src/protocol/index.ts';
import { project } from './support.ts';

const { app, add, mul, xsum, identity, onError } = project();
const wire = (task: string, more: Record<string, unknown> = {}) => ({ task, ...more }) as unknown as WireSignature;

describe('from the wire', () => {
  test('keys that are missing are filled in', () => {
    expect(app.signature(wire('a')).toWire()).toEqual({
      task: 'a',
      args: [],
      kwargs: {},
      options: {},
      subtask_type: null,
      immutable: false,
    });
    const inner = app.signature(
      wire('celery.chain', { subtask_type: 'chain', kwargs: { tasks: [{ task: 'a' }, { task: 'b' }] } }),
    );
    expect(String(inner)).toBe('a() | b()');
  });

  test.each([
    ['a list', [{ task: 'a' }]],
    ['a group', { task: 'celery.group', subtask_type: 'group', kwargs: { tasks: [{ task: 'a' }] } }],
    ['a single signature', { task: 'a' }],
  ])('the header of a chord is %s', (_name, header) => {
    const read = app.signature(wire('celery.chord', { subtask_type: 'chord', kwargs: { header, body: { task: 'b' } } }));
    expect(String(read)).toBe('%b([a()])');
  });

  test('a chord may have no body yet', () => {
    const bare = app.signature(wire('celery.chord', { subtask_type: 'chord', kwargs: { header: [{ task: 'a' }], body: null } }));
    expect([String(bare), String(bare.pipe(app.signature('b')))]).toEqual(['chord([a()])', '%b([a()])']);
  });

  test.each([
    [{ task: 'x', subtask_type: 'chian' }, /'x' has the unknown type 'chian'.*Lovage knows chain, group and chord/],
    [{ task: 'x', subtask_type: 'constructor' }, /unknown type 'constructor'/],
    [{ kwargs: {} }, /A signature has no task name/],
    [{ task: 'x', options: 5 }, /options of a signature must be a mapping/],
    [[], /A signature is a mapping/],
  ])('%j is refused', (given, message) => {
    expect(() => app.signature(given as never)).toThrow(message);
  });

  test.each([
    ['members that are no signatures', { tasks: [5] }],
    ['members that are no list', { tasks: 'all' }],
  ])('%s are refused when they are looked at', (_name, kwargs) => {
    expect(() => String(app.signature(wire('celery.group', { subtask_type: 'group', kwargs })))).toThrow(/signature/);
  });

  test('a signature is copied', () => {
    const canvas = chain(add.s(1, 2), mul.s(3));
    expect(app.signature(canvas).toWire()).toEqual(canvas.toWire());
    expect(app.signature(add.s(1, 2)).toWire()).toEqual(add.s(1, 2).toWire());
  });
});

describe('a value', () => {
  const canvas = chord([add.s(1, 1), add.s(2, 2)], xsum.s());

  test('set, merge, replace and with give new ones', () => {
    const before = JSON.stringify(canvas);
    expect(canvas.set({ queue: 'q' }).options).toEqual({ queue: 'q' });
    expect(canvas.merge([5], { kwargs: { k: 1 }, priority: 3 })).toMatchObject({ args: [5], options: { priority: 3 } });
    expect(canvas.replace({ args: [7], options: { queue: 'z' } })).toMatchObject({ args: [7], options: { queue: 'z' } });
    expect(chain(add.s(1), mul.s(2)).with(5).args).toEqual([5]);
    expect(JSON.stringify(canvas)).toBe(before);
  });

  test('merges as Celery does: arguments first, keywords and options over, group and stamps kept', () => {
    const stored = app.signature('t', [1], { kwargs: { a: 1, b: 1 }, groupId: 'g', queue: 'q' }).stamp({ s: 1 });
    const merged = stored.merge([0], { kwargs: { b: 2 }, groupId: 'other', queue: 'r', stamps: { s: 9 }, stampedHeaders: ['s'] });
    expect(merged).toMatchObject({
      args: [0, 1],
      kwargs: { a: 1, b: 2 },
      options: { groupId: 'g', queue: 'r', stamps: { s: 1 } },
    });
  });

  test('that is immutable takes options only', () => {
    const merged = add.si(1, 2).merge([9], { kwargs: { k: 1 }, queue: 'q' });
    expect(merged).toMatchObject({ args: [1, 2], kwargs: {}, options: { queue: 'q' } });
  });

  test('made immutable: members and headers, not the body', () => {
    const flags = (made: { toWire(): WireSignature }): unknown => {
      const { kwargs, immutable } = made.toWire();
      const { tasks = [], header = [], body } = kwargs as Record<string, WireSignature[]> & { body?: WireSignature };
      return [immutable, [...tasks, ...header].map((task) => task.immutable), body?.immutable];
    };
    expect(flags(group(add.s(1), mul.s(2)).setImmutable(true))).toEqual([false, [true, true], undefined]);
    expect(flags(canvas.setImmutable(true))).toEqual([false, [true, true], false]);
    expect(flags(chain(add.s(1, 2), mul.s(3)).setImmutable(true))).toEqual([true, [false, false], undefined]);
  });

  test('has options on all of its tasks', () => {
    const flow = chain(add.s(1, 2), chord([mul.s(2), group(mul.s(3))], identity.s()).link(identity.s())).setAll({ queue: 'q' });
    const queues: unknown[] = [];
    const look = ({ options, kwargs, subtask_type: type }: WireSignature): void => {
      if (type === null) queues.push(options.queue);
      for (const part of [kwargs.tasks, kwargs.header, kwargs.body].flat()) if (part != null) look(part as WireSignature);
    };
    look(flow.toWire());
    expect([queues, flow.options.queue]).toEqual([['q', 'q', 'q', 'q'], undefined]);
  });

  test('refuses options that no call has', () => {
    expect(() => canvas.set({ queu: 'q' } as never)).toThrow(/unknown option 'queu'.*'queue'/);
  });
});

describe('links', () => {
  const linked = (made: { toWire(): WireSignature }, option = 'link'): unknown => made.toWire().options[option];

  test('are added once each', () => {
    expect(linked(chain(add.s(1, 2)).link(identity.s()).link(identity.s()))).toEqual([identity.s().toWire()]);
  });

  test('of a chord belong to its body', () => {
    const made = chord([add.s(1, 1)], xsum.s())
      .link(identity.s())
      .linkError(onError.s())
      .toWire();
    expect((made.kwargs.body as WireSignature).options).toMatchObject({ link: [{ task: 'proj.identity' }], link_error: [{}] });
    expect((made.kwargs.header as WireSignature[])[0]!.options).toEqual({});
  });

  test('of a chord reach its header with the setting, and chords in it always', () => {
    const strict = project({ taskAllowErrorCbOnChordHeader: true });
    const members = (tasks: typeof strict) => {
      const inner = chord([tasks.add.s(1, 1)], tasks.xsum.s());
      const made = chord([tasks.add.s(1, 1), inner], tasks.identity.s())
        .linkError(tasks.onError.s())
        .toWire();
      const [plain, nested] = made.kwargs.header as WireSignature[];
      const [own] = (nested!.kwargs.header as WireSignature[]).map(({ options }) => options);
      return [plain!.options, own, (nested!.kwargs.body as WireSignature).options].map((options) => Object.keys(options!));
    };
    expect(members(strict)).toEqual([['link_error'], ['link_error'], ['link_error']]);
    expect(members(project())).toEqual([[], [], ['link_error']]);
  });

  test('of a group are refused, its errbacks are those of its members', async () => {
    const made = group(add.s(1, 1), add.s(2, 2));
    expect(() => (made as never as { link(next: unknown): void }).link(identity.s())).toThrow(/A group has no result of its own/);
    await expect(made.applyAsync([], { link: identity.s() })).rejects.toThrow(/takes no link/);
    await expect(made.applyAsync([], { linkError: onError.s() })).rejects.toThrow(/takes no linkError/);
    const tasks = made.linkError(onError.s()).toWire().kwargs.tasks as WireSignature[];
    expect(tasks.map(({ options }) => options.link_error)).toEqual([[onError.s().toWire()], [onError.s().toWire()]]);
  });

  test('are listed with what is linked to them', () => {
    const made = add.s(1, 1).link(mul.s(2).link(identity.s())).linkError(onError.s());
    expect(made.flattenLinks().map(String)).toEqual(['proj.add(1, 1)', 'proj.mul(2)', 'proj.identity()', 'proj.on_error()']);
  });
});

describe('what is refused', () => {
  test.each([
    ['chunks of no size', () => chunks(add, [[1, 1]], 0), /size of 1 or more/],
    ['a body that is a task', () => chord([add.s(1, 1)], xsum as never), /The body of a chord must be a signature/],
    [
      'a header of something else',
      () => chord([5] as never, identity.s()),
      /Only signatures can be part of a chord header; number 1 is 5/,
    ],
    ['a group of something else', () => group(add as never), /number 1 is a function: call .s/],
  ])('%s', (_name, make, message) => expect(make).toThrow(message));

  test('a canvas that knows no app', async () => {
    await expect(group().delay()).rejects.toThrow(/no member that knows an app/);
  });

  test('a generator is read once', () => {
    let runs = 0;
    function* numbers() {
      runs++;
      for (let n = 0; n < 3; n++) yield add.s(n, n);
    }
    const made = group(numbers());
    expect([String(made), String(made), runs]).toEqual([expect.stringContaining('add(2, 2)'), String(made), 1]);
  });

  test('nothing of a chain of a thousand steps', () => {
    const steps = Array.from({ length: 1000 }, (_, n) => add.s(n));
    expect((chain(steps).toWire().kwargs.tasks as unknown[]).length).toBe(1000);
  });
});
