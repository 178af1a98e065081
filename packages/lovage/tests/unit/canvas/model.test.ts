// Random canvases: what comes out when their plans are run, step by step as workers would, is what a simple model says that Celery gives.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expanded, plan } from '../../../src/canvas/index.ts';
import type { ResultNode, ResultTuple, WireSignature } from '../../../src/protocol/index.ts';
import type { ChordOpening } from '../../../src/result/index.ts';
import type { Call, CanvasPlan } from '../../../src/task/index.ts';
import { called, made, model, randomCanvas } from '../../support/random-canvas.ts';
import { setup } from '../app/support.ts';

const app = setup();
const canvas = randomCanvas(['a', 'b', 'c', 'd']);

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
        const wire = made(app, written).toWire();
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
        const wire = made(app, written).toWire();
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
