// Random canvases, and a simple model of what they give: values flow from step to step. For tests that run their plans, and for tests that
// run them on workers.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Lovage } from '../../src/app/lovage.ts';
import { chain, chord, group } from '../../src/index.ts';
import type { WireSignature } from '../../src/protocol/index.ts';
import type { ErasedSignature } from '../../src/task/index.ts';

/** A canvas as it was written down. */
export type Written =
  | { readonly kind: 'task'; readonly name: string; readonly immutable: boolean }
  | { readonly kind: 'chain' | 'group' | 'list'; readonly parts: readonly Written[] }
  | { readonly kind: 'chord'; readonly parts: readonly Written[]; readonly body: Written };

const WIDTH = 5;
const DEPTH = 4;

/** The name of the task that fails. */
export const FAILS = 'fails';

/** Random canvases of tasks with these names. */
export function randomCanvas(names: readonly string[]): fc.Arbitrary<Written> {
  const { canvas } = fc.letrec<{ canvas: Written; task: Written; many: readonly Written[] }>((tie) => ({
    canvas: fc.oneof(
      { maxDepth: DEPTH, depthIdentifier: 'canvas', depthSize: 'max', withCrossShrink: true },
      tie('task'),
      fc.record({ kind: fc.constantFrom('chain', 'group', 'list'), parts: tie('many') }) as fc.Arbitrary<Written>,
      fc.record({ kind: fc.constant('chord'), parts: tie('many'), body: tie('canvas') }) as fc.Arbitrary<Written>,
    ),
    task: fc.record({
      kind: fc.constant('task'),
      name: fc.constantFrom(...names),
      immutable: fc.boolean().map((flag) => flag && true),
    }) as fc.Arbitrary<Written>,
    many: fc.array(tie('canvas'), { minLength: 1, maxLength: WIDTH }) as fc.Arbitrary<readonly Written[]>,
  }));
  return canvas;
}

/** Written down with the words of the library. */
export function made(app: Lovage, written: Written): ErasedSignature {
  if (written.kind === 'task') return app.signature(written.name, [], { immutable: written.immutable });
  const parts = written.parts.map((part) => made(app, part)) as never[];
  if (written.kind === 'chain') return chain(...parts) as unknown as ErasedSignature;
  if (written.kind === 'group') return group(...parts) as unknown as ErasedSignature;
  if (written.kind === 'list') return group(parts) as unknown as ErasedSignature;
  return chord(parts, made(app, (written as { body: Written }).body) as never) as unknown as ErasedSignature;
}

/** What a task of this name gives: short, and another for other arguments. */
export function called(name: string, args: readonly unknown[]): string {
  if (name === FAILS) throw new Error('it fails');
  return `${name}-${createHash('sha256').update(JSON.stringify(args)).digest('hex').slice(0, 8)}`;
}

// The model: values flow from step to step, a group gives a list, groups among the members of a group count as their members, and a
// group that is written with one member is that member, except where it is the first or the only thing there is.

const isGroup = (written: Written): boolean => written.kind === 'group' || written.kind === 'list';

/** What a canvas gives, by the model; throws where it fails. */
export function model(written: Written, args: readonly unknown[]): unknown {
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

const isSignature = (value: unknown): value is WireSignature =>
  typeof value === 'object' && value !== null && typeof (value as Partial<WireSignature>).task === 'string';
const partsOf = (value: unknown): readonly WireSignature[] =>
  Array.isArray(value) ? (value as readonly WireSignature[]) : isSignature(value) ? partsOf(value.kwargs.tasks) : [];

/** What is found in the end under each id of a canvas whose ids are fixed: values, and `FAILS`. A header that never starts is left out. */
export function valuesById(wire: WireSignature, args: readonly unknown[]): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  const end = (task: WireSignature, value: unknown): unknown => {
    found.set(String(task.options.task_id), value);
    return value;
  };
  const fail = (part: WireSignature): typeof FAILS => {
    if (part.subtask_type === 'chord') fail(part.kwargs.body as WireSignature);
    else if (part.subtask_type === null) end(part, FAILS);
    else for (const inner of partsOf(part.kwargs.tasks)) fail(inner);
    return FAILS;
  };
  const walk = (part: WireSignature, given: readonly unknown[]): unknown => {
    if (part.subtask_type === 'group') return partsOf(part.kwargs.tasks).map((inner) => walk(inner, given));
    if (part.subtask_type === 'chain') {
      const last = partsOf(part.kwargs.tasks).reduce<readonly unknown[]>(
        (values, step) => [hasFailed(values[0]) ? fail(step) : walk(step, values)],
        given,
      );
      return last[0];
    }
    if (part.subtask_type === 'chord') {
      const header = partsOf(part.kwargs.header).map((inner) => walk(inner, given));
      const body = part.kwargs.body as WireSignature;
      return hasFailed(header) ? fail(body) : walk(body, [header]);
    }
    return end(part, part.task === FAILS ? FAILS : called(part.task, part.immutable ? [] : given));
  };
  walk(wire, args);
  return found;
}

/** A list fails where one of its parts does. */
const hasFailed = (value: unknown): boolean => value === FAILS || (Array.isArray(value) && value.some(hasFailed));

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
