// What is sent: flat calls with fixed ids, chords to open, the shape of the result. And the rules of ids, options and links.
import { describe, expect, test } from 'vitest';
import { expanded, freeze, joinable, plan } from '../../../src/canvas/index.ts';
import { chain, chord, chunks, group, map } from '../../../src/index.ts';
import type { WireSignature } from '../../../src/protocol/index.ts';
import type { CanvasPlan, SignatureLike } from '../../../src/task/index.ts';
import { planned, project } from './support.ts';

const { app, add, mul, xsum, identity, onError } = project();
const sent = (canvas: SignatureLike, options = {}, args: readonly unknown[] = []): CanvasPlan =>
  planned(app, canvas, options, args);
const argsOf = ({ calls }: CanvasPlan): unknown[] => calls.map((call) => call.args);
const options = (signature: unknown): Record<string, unknown> => (signature as WireSignature).options;

describe('a chain', () => {
  test('sends its first step; the others ride along, the next one last, under ids that the result knows', () => {
    const { calls, result } = sent(chain(add.s(1, 2), mul.s(3), add.s(4)));
    expect(calls).toHaveLength(1);
    const rest = calls[0]!.options.chain!;
    expect(rest.map(({ task, args }) => [task, args])).toEqual([
      ['proj.add', [4]],
      ['proj.mul', [3]],
    ]);
    const ids = [calls[0]!.options.taskId, options(rest[1]).task_id, options(rest[0]).task_id];
    expect([result?.parent?.parent?.id, result?.parent?.id, result?.id]).toEqual(ids);
  });

  test('gives its options to the first step only, its links to the last, its errbacks to each', () => {
    const canvas = chain(add.s(1, 2), mul.s(3));
    const [first] = sent(canvas, { queue: 'q', countdown: 5, link: identity.s(), linkError: onError.s() }).calls;
    expect(first!.options).toMatchObject({ queue: 'q', countdown: 5 });
    expect(first!.options.link).toBeUndefined();
    const last = options(first!.options.chain![0]);
    expect(last).toMatchObject({ link: [{ task: 'proj.identity' }], link_error: [{ task: 'proj.on_error' }] });
    expect([last.queue, last.countdown]).toEqual([undefined, undefined]);
  });

  test('named gives its name to its last step', () => {
    const { calls, result } = sent(chain(add.s(1, 2), mul.s(3)), { taskId: 'named' });
    expect([result?.id, options(calls[0]!.options.chain![0]).task_id]).toEqual(['named', 'named']);
    expect(calls[0]!.options.taskId).not.toBe('named');
  });

  test('that is empty sends nothing and has no result', () => {
    expect(sent(chain())).toEqual({ calls: [], openings: [], result: undefined, children: [] });
  });

  test('of one group hands its arguments to the members', () => {
    expect(argsOf(sent(chain(group(add.s(1), mul.s(2))), {}, [10]))).toEqual([
      [10, 1],
      [10, 2],
    ]);
  });
});

describe('a group', () => {
  test('is one plan however many, with indexes that no two members share', () => {
    const canvas = group(
      add.s(0, 0),
      group(add.s(1, 1), add.s(2, 2)),
      chain(add.s(3, 3), group(add.s(4), add.s(5))),
      add.s(6, 6),
    );
    const { calls, result } = sent(canvas);
    const ends = calls.flatMap((call) => {
      const last = call.options.chain?.[0];
      return last === undefined
        ? [call.options.groupIndex]
        : (last.kwargs.tasks as WireSignature[]).map((task) => options(task).group_index);
    });
    expect(ends).toEqual([0, 1, 2, 3, 4, 5]);
    expect(result?.members?.map(({ members }) => members?.length)).toEqual([undefined, undefined, undefined, 2, undefined]);
  });

  test('gives arguments and options to every member, a group and an index to the end of each', () => {
    const { calls, result } = sent(group(add.s(1), chain(mul.s(2), add.s(3)), add.si(4, 4)), { queue: 'q' }, [9]);
    expect(calls.map((call) => [call.args, call.options.queue])).toEqual([
      [[9, 1], 'q'],
      [[9, 2], 'q'],
      [[4, 4], 'q'],
    ]);
    expect(calls.map((call) => call.options.groupId)).toEqual([result?.id, undefined, result?.id]);
    expect(options(calls[1]!.options.chain![0])).toMatchObject({ group_id: result?.id, group_index: 1 });
  });

  test('that is empty has a result of its own and sends nothing', () => {
    expect(sent(group())).toMatchObject({ calls: [], result: { members: [] } });
  });

  test('of nothing but a chain that ends in a group is a list of one list, as its type says (Celery gives the inner list)', () => {
    const { result } = sent(group(chain(add.s(1, 1), group(add.s(1), add.s(2)))));
    expect(result?.members?.map(({ members }) => members?.length)).toEqual([2]);
  });

  test('starts its members one after the other', () => {
    const countdowns = (...skew: number[]) =>
      sent(group([1, 2, 3, 4].map((n) => add.s(n, n))).skew(...skew)).calls.map((call) => call.options.countdown);
    expect(countdowns()).toEqual([1, 2, 3, 4]);
    expect(countdowns(0, 4, 2)).toEqual([0, 2, 4, 4]);
  });
});

describe('a chord', () => {
  test('is opened with its size before its header is sent; its body has its id in every copy', () => {
    const { calls, openings, result } = sent(chord([add.s(1, 1), chain(add.s(2, 2), mul.s(3))], xsum.s()));
    expect(openings).toMatchObject([{ size: 2, nested: false, body: { task: 'proj.xsum' }, expires: undefined }]);
    const [opening] = openings;
    expect(opening!.groupId).toBe(result?.parent?.id);
    expect(options(opening!.body).task_id).toBe(result?.id);
    const ends = [calls[0]!.options.chord, options(calls[1]!.options.chain![0]).chord];
    expect(ends).toEqual([opening!.body, opening!.body]);
    expect(calls[1]!.options.chord).toBeUndefined();
  });

  test.each([
    ['tasks', () => chord([add.s(1, 1), map(identity, [1])], identity.s()), 2],
    ['a group', () => chord([group(add.s(1, 1), add.s(2, 2)), add.s(3, 3)], identity.s()), 3],
    ['a chain', () => chord([chain(add.s(1, 1), add.s(2))], identity.s()), 1],
    ['a chain that ends in a group', () => chord([chain(add.s(1, 1), group(add.s(2), add.s(3), add.s(4)))], identity.s()), 3],
    ['a chord', () => chord([chord([add.s(1, 1), add.s(2, 2)], xsum.s())], identity.s()), 1],
    ['a chord with a group as its body', () => chord([chord([add.s(1, 1)], group(identity.s(), identity.s()))], identity.s()), 2],
    [
      'chunks',
      () =>
        chord(
          chunks(
            add,
            [
              [1, 1],
              [2, 2],
              [3, 3],
            ],
            2,
          ),
          identity.s(),
        ),
      2,
    ],
  ])('waits for as many completions as its header has: %s', (_name, make, size) => {
    expect(sent(make() as SignatureLike).openings.at(-1)?.size).toBe(size);
  });

  test('says when its parts are no flat list', () => {
    const { openings } = sent(chord([chain(add.s(1, 1), group(add.s(2), add.s(3))), add.s(4, 4)], identity.s()));
    expect(openings[0]).toMatchObject({ nested: true, size: 3 });
    expect(openings[0]!.header[1]?.[0]?.[1]).toHaveLength(2);
  });

  test('in a header opens for itself, and its body counts for the outer one', () => {
    const { openings, calls } = sent(chord([chord([add.s(1, 1), add.s(2, 2)], xsum.s()), add.s(3, 3)], identity.s()));
    const [inner, outer] = openings;
    expect([inner?.size, outer?.size]).toEqual([2, 2]);
    expect(options(inner!.body)).toMatchObject({ group_id: outer!.groupId, group_index: 0, chord: outer!.body });
    expect(calls.map((call) => call.options.groupId)).toEqual([inner!.groupId, inner!.groupId, outer!.groupId]);
  });

  test('without members starts its body at once, with no results', () => {
    const { calls, openings, result } = sent(chord([], xsum.s()));
    expect([argsOf({ calls } as CanvasPlan), openings, calls[0]!.options.taskId]).toEqual([[[[]]], [], result?.id]);
  });

  test('without a body is refused', () => {
    const wire = {
      ...chord([add.s(1, 1)], xsum.s()).toWire(),
      kwargs: { kwargs: {}, header: [add.s(1, 1).toWire()], body: null },
    };
    expect(() => sent({ toWire: () => wire })).toThrow(/A chord without a body was to be started/);
  });

  test('gives its queue to header and body, its delay to the header alone, its links to the body', () => {
    const { calls, openings } = sent(chord([add.s(1, 1)], xsum.s()), { queue: 'q', countdown: 5, link: identity.s() });
    expect(calls[0]!.options).toMatchObject({ queue: 'q', countdown: 5 });
    expect(options(openings[0]!.body)).toMatchObject({ queue: 'q', link: [{ task: 'proj.identity' }] });
    expect(options(openings[0]!.body).countdown).toBeUndefined();
  });

  test('named gives its name to its body', () => {
    expect(sent(chord([add.s(1, 1)], xsum.s()), { taskId: 'named' }).result?.id).toBe('named');
  });

  test('tells its errbacks of its body, and of its header where the setting says so', () => {
    const wire = (errorsOnHeader: boolean) => {
      const { calls, openings } = plan(chord([add.s(1, 1)], xsum.s()).toWire(), {
        rules: { errorsOnHeader },
        options: { link_error: [onError.s().toWire()] },
      });
      return [calls[0]!.options.linkError !== undefined, options(openings[0]!.body).link_error !== undefined];
    };
    expect([wire(false), wire(true)]).toEqual([
      [false, true],
      [true, true],
    ]);
  });

  test('waits in a chain without the weight of its body in every member', () => {
    const { calls } = sent(chain(add.s(1, 1), group(add.s(1), add.s(2)), xsum.s()));
    const waiting = calls[0]!.options.chain![0]!;
    const { header } = waiting.kwargs as { header: WireSignature };
    for (const part of [header, ...(header.kwargs.tasks as WireSignature[])])
      for (const name of ['chord', 'root_id', 'parent_id']) expect(options(part)).not.toHaveProperty(name);
  });
});

describe('where chords are not counted', () => {
  const canvas = chord([add.s(1, 1), add.s(2, 2)], xsum.s().set({ queue: 'bodies', priority: 3 }));

  test('but results are kept, a task looks for them, under an id that follows from the chord', () => {
    const made = sent(canvas);
    const { calls, openings } = joinable(made, { name: 'files', features: { persistent: true } });
    expect(openings).toEqual([]);
    expect(calls[0]).toMatchObject({
      task: 'celery.chord_unlock',
      options: { queue: 'bodies', priority: 3, ignoreResult: true, countdown: 1 },
    });
    const again = joinable(made, { name: 'files', features: { persistent: true } });
    expect(again.calls[0]!.options.taskId).toBe(calls[0]!.options.taskId);
  });

  test('a member without a result is refused', () => {
    const silent = chord([add.s(1, 1).set({ ignoreResult: true })], xsum.s());
    expect(() => joinable(sent(silent), { name: 'files', features: { persistent: true } })).toThrow(
      /'proj.add' is in the header/,
    );
  });

  test('and results are not kept, it is refused with what to use instead', () => {
    expect(() => joinable(sent(canvas), { name: 'rpc', features: { persistent: false } })).toThrow(
      /rpc cannot join a chord.*redis:\/\/host/,
    );
  });
});

describe('in a worker', () => {
  const input = { args: [7], parentId: 'p', rootId: 'r', chain: [], seed: 's' };
  const rules = { rules: { errorsOnHeader: false }, registry: app.tasks };

  test('the same task starts the same messages under the same ids', () => {
    const canvas = chord([add.s(1), chain(mul.s(2), group(add.s(3), add.s(4)))], identity.s()).toWire();
    expect(expanded(canvas, input, rules)).toEqual(expanded(canvas, input, rules));
    expect(expanded(canvas, { ...input, seed: 'other' }, rules)).not.toEqual(expanded(canvas, input, rules));
  });

  test('what starts has the task as its parent, and its root; the body of a chord too', () => {
    const { calls, openings } = expanded(chord([add.s(1), mul.s(2)], xsum.s()).toWire(), input, rules);
    for (const call of calls) expect(call.options).toMatchObject({ parentId: 'p', rootId: 'r' });
    expect(options(openings[0]!.body)).toMatchObject({ parent_id: 'p', root_id: 'r' });
  });

  test('a chord with steps behind it goes on with them after its body', () => {
    const rest = [identity.s().toWire()];
    const { openings, calls } = expanded(chord([add.s(1)], xsum.s()).toWire(), { ...input, chain: rest }, rules);
    expect(options(openings[0]!.body).chain).toEqual(rest);
    expect(calls[0]!.options.chain).toBeUndefined();
  });

  test('a group with steps behind it waits for all of its members', () => {
    const rest = [identity.s().toWire(), xsum.s().toWire()];
    const { openings } = expanded(group(add.s(1), mul.s(2)).toWire(), { ...input, chain: rest }, rules);
    expect(openings).toMatchObject([
      { size: 2, body: { kwargs: { tasks: [{ task: 'proj.xsum' }, { task: 'proj.identity' }] } } },
    ]);
  });

  test('members keep the chord that they were frozen for', () => {
    const outer = sent(chord([chain(add.s(1, 1), group(add.s(2), add.s(3))), add.s(4, 4)], identity.s()));
    const waiting = outer.calls[0]!.options.chain![0]!;
    const { calls } = expanded(waiting, input, rules);
    const { groupId } = outer.openings[0]!;
    expect(calls.map((call) => [call.options.groupId, call.options.groupIndex])).toEqual([
      [groupId, 0],
      [groupId, 1],
    ]);
    expect(calls.map((call) => call.options.chord)).toEqual([outer.openings[0]!.body, outer.openings[0]!.body]);
  });
});

describe('a frozen canvas', () => {
  test('keeps its ids, however often it is frozen or sent', () => {
    const canvas = chain(add.s(1, 1), group(add.s(1), mul.s(2)), xsum.s()).freeze('fixed');
    expect(canvas.freeze().toWire()).toEqual(canvas.toWire());
    const { result } = sent(canvas);
    expect(result?.id).toBe('fixed');
    expect(freeze(canvas.toWire(), { rules: { errorsOnHeader: false } }).node).toEqual(result);
  });
});
