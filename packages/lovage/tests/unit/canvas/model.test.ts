// Random canvases: what comes out when their plans are run, step by step as workers would, is what a simple model says that Celery gives.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expanded, plan } from '../../../src/canvas/index.ts';
import { chain, chord, group } from '../../../src/index.ts';
import type { ResultNode, ResultTuple, WireSignature } from '../../../src/protocol/index.ts';
import type { ChordOpening } from '../../../src/result/index.ts';
import type { Call, CanvasPlan, SignatureLike } from '../../../src/task/index.ts';
import { setup } from '../app/support.ts';

/** A canvas as it was written down. */
type Written =
  | { readonly kind: 'task'; readonly name: string; readonly immutable: boolean }
  | { readonly kind: 'chain' | 'group' | 'list'; readonly parts: readonly Written[] }
  | { readonly kind: 'chord'; readonly parts: readonly Written[]; readonly body: Written };

const WIDTH = 5;
const DEPTH = 4;

const { canvas } = fc.letrec<{ canvas: Written; task: Written; many: readonly Written[] }>((tie) => ({
  canvas: fc.oneof(
    { maxDepth: DEPTH, depthIdentifier: 'canvas', depthSize: 'max', withCrossShrink: true },
    tie('task'),
    fc.record({ kind: fc.constantFrom('chain', 'group', 'list'), parts: tie('many') }) as fc.Arbitrary<Written>,
    fc.record({ kind: fc.constant('chord'), parts: tie('many'), body: tie('canvas') }) as fc.Arbitrary<Written>,
  ),
  task: fc.record({
    kind: fc.constant('task'),
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    immutable: fc.boolean().map((flag) => flag && true),
  }) as fc.Arbitrary<Written>,
  many: fc.array(tie('canvas'), { minLength: 1, maxLength: WIDTH }) as fc.Arbitrary<readonly Written[]>,
}));

const app = setup();

/** Written down with the words of the library. */
function made(written: Written): SignatureLike {
  if (written.kind === 'task') return app.signature(written.name, [], { immutable: written.immutable });
  const parts = written.parts.map(made) as never[];
  if (written.kind === 'chain') return chain(...parts) as SignatureLike;
  if (written.kind === 'group') return group(...parts) as SignatureLike;
  if (written.kind === 'list') return group(parts) as SignatureLike;
  return chord(parts, made((written as { body: Written }).body) as never) as unknown as SignatureLike;
}

const called = (name: string, args: readonly unknown[]): string => `${name}(${JSON.stringify(args)})`;

// The model: values flow from step to step, a group gives a list, groups among the members of a group count as their members, and a
// group that is written with one member is that member, except where it is the first or the only thing there is.

const isGroup = (written: Written): boolean => written.kind === 'group' || written.kind === 'list';

function model(written: Written, args: readonly unknown[]): unknown {
  switch (written.kind) {
    case 'task':
      return called(written.name, written.immutable ? [] : args);
    case 'group':
    case 'list':
      return written.kind === 'group' && written.parts.length === 1 && isGroup(written.parts[0]!)
        ? model(written.parts[0]!, args)
        : listed(written.parts, args);
    case 'chord':
      return model(written.body, [listed(written.parts, args)]);
    case 'chain':
      return chainOf(written.parts, args);
  }
}

const listed = (parts: readonly Written[], args: readonly unknown[]): unknown[] =>
  parts.flatMap((part) => (isGroup(part) ? listed((part as { parts: readonly Written[] }).parts, args) : [model(part, args)]));

/** The member that a group of one stands for. */
function single(written: Written): Written {
  if (written.kind !== 'group' || written.parts.length !== 1) return written;
  const [only] = written.parts;
  // group(group(…)) is the inner group.
  return isGroup(only!) ? single(only!) : only!;
}

function chainOf(parts: readonly Written[], args: readonly unknown[]): unknown {
  const [first, ...others] = parts.map(single);
  // What is piped into a group that is the first of all becomes its body as it is, a group of one too.
  const steps = [first!, ...others.map((part, index) => (index === 0 && isGroup(first!) ? parts[1]! : part))];
  let given = args;
  for (const step of steps) given = [model(step, given)];
  return given[0];
}

// Running a plan as workers would: each message gives a value, goes on with its chain, counts for its chord.

interface World {
  readonly values: Map<string, unknown>;
  readonly chords: Map<
    string,
    { readonly opening: ChordOpening; readonly parts: Map<string, { index: number; value: unknown }> }
  >;
  readonly sent: string[];
}

function run(made: CanvasPlan, world: World): void {
  for (const opening of made.openings) {
    expect(world.chords.has(opening.groupId)).toBe(false);
    world.chords.set(opening.groupId, { opening, parts: new Map() });
  }
  for (const call of made.calls) runCall(call, world);
}

function runCall({ task, args, options }: Call, world: World): void {
  const id = options.taskId!;
  expect(world.values.has(id)).toBe(false);
  world.sent.push(id);
  const value = called(task, args);
  world.values.set(id, value);
  const chain = options.chain ?? [];
  const next = chain.at(-1);
  if (next !== undefined) start(next, [value], chain.slice(0, -1), id, world);
  if (options.chord === undefined || options.groupId === undefined) return;
  const joined = world.chords.get(options.groupId)!;
  joined.parts.set(id, { index: options.groupIndex!, value });
  if (joined.parts.size === joined.opening.size) start(joined.opening.body, [valuesOf(joined, world)], [], id, world);
}

function start(wire: WireSignature, args: readonly unknown[], chain: readonly WireSignature[], id: string, world: World): void {
  const input = { args, chain, parentId: id, rootId: id, seed: `after ${id}` };
  run(expanded(wire, input, { rules: { errorsOnHeader: false } }), world);
}

function valuesOf(
  { opening, parts }: { opening: ChordOpening; parts: Map<string, { index: number; value: unknown }> },
  world: World,
): unknown {
  if (!opening.nested) {
    const inOrder = [...parts.values()].sort((a, b) => a.index - b.index);
    expect(inOrder.map(({ index }) => index)).toEqual(inOrder.map((_, index) => index));
    return inOrder.map(({ value }) => value);
  }
  const read = ([[id], members]: ResultTuple): unknown => (members === null ? world.values.get(id) : members.map(read));
  return read(opening.header);
}

function resultOf({ id, members }: ResultNode, { values }: World): unknown {
  if (members !== undefined) return members.map((member) => resultOf(member, { values } as World));
  expect(values.has(id)).toBe(true);
  return values.get(id);
}

describe('random canvases', () => {
  test('give what the model says, every message once, under ids that are known before', () => {
    fc.assert(
      fc.property(canvas, (written) => {
        const world: World = { values: new Map(), chords: new Map(), sent: [] };
        const wire = made(written).toWire();
        const all = plan(wire, { args: ['in'], rules: { errorsOnHeader: false } });
        run(all, world);
        expect(resultOf(all.result!, world)).toEqual(model(written, ['in']));
        expect(new Set(world.sent).size).toBe(world.sent.length);
      }),
      { numRuns: 500 },
    );
  });

  test('are the same after a trip over the wire', () => {
    fc.assert(
      fc.property(canvas, (written) => {
        const wire = made(written).toWire();
        const back = app.signature(JSON.parse(JSON.stringify(wire))).toWire();
        expect(back).toEqual(wire);
        const input = { args: ['in'], chain: [], parentId: 'p', rootId: 'r', seed: 's' };
        const rules = { rules: { errorsOnHeader: false } };
        expect(expanded(back, input, rules)).toEqual(expanded(wire, input, rules));
      }),
      { numRuns: 200 },
    );
  });
});
