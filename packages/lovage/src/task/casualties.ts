// Who fails with a task that never gives what others wait for: the rest of its chain, all that lies inside those steps, and the chords
// whose members they are. Called where a task fails, and where a chord does.
import type { WireSignature } from '../protocol/index.ts';

/** Whose member a task is. */
export interface Membership {
  readonly groupId: string;
  readonly groupIndex: number | undefined;
  /** The body of the chord. */
  readonly chord: WireSignature;
}

/** A task that will never run. */
export interface Casualty {
  readonly id: string;
  readonly groupId: string | undefined;
  readonly member: Membership | undefined;
}

type Partly = Partial<WireSignature>;

interface Visit {
  readonly wire: unknown;
  /** From the container whose end it is. */
  readonly member?: Membership | undefined;
}

const isSignature = (value: unknown): value is Partly => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

function membership({ options }: Partly): Membership | undefined {
  const { group_id: groupId, group_index: index, chord } = options ?? {};
  if (typeof groupId !== 'string' || !isSignature(chord) || typeof chord.task !== 'string') return undefined;
  return { groupId, groupIndex: typeof index === 'number' ? index : undefined, chord: chord as WireSignature };
}

/** What lies inside a signature and behind it, in the order in which it would run. The header of a chord is not waited for, its body is. */
function inside(wire: Partly, member: Membership | undefined): readonly Visit[] {
  const { subtask_type: type, kwargs, options } = wire;
  const behind = listOf(options?.chain)
    .toReversed()
    .map((next) => ({ wire: next }));
  if (type === 'chord') return [{ wire: kwargs?.body, member }, ...behind];
  if (type !== 'chain' && type !== 'group') return behind;
  const tasks = listOf(kwargs?.tasks);
  const isLast = (index: number): boolean => type === 'chain' && index === tasks.length - 1;
  return [...tasks.map((task, index) => ({ wire: task, member: isLast(index) ? member : undefined })), ...behind];
}

/** Everybody inside and behind these signatures, each id once. Deep nesting costs no stack. */
export function casualties(wires: readonly unknown[]): readonly Casualty[] {
  const found = new Map<string, Casualty>();
  const left: Visit[] = wires.toReversed().map((wire) => ({ wire }));
  for (let visit = left.pop(); visit !== undefined; visit = left.pop()) {
    const { wire } = visit;
    if (!isSignature(wire)) continue;
    const member = membership(wire) ?? visit.member;
    const { task_id: id, group_id: groupId } = wire.options ?? {};
    if (typeof id === 'string' && id !== '' && wire.subtask_type !== 'group') {
      // The id of a chord may be that of its header; who counts is its body.
      const counts = wire.subtask_type === 'chord' ? undefined : (member ?? found.get(id)?.member);
      found.set(id, { id, groupId: typeof groupId === 'string' ? groupId : undefined, member: counts });
    }
    left.push(...inside(wire, member).toReversed());
  }
  return [...found.values()];
}

/** Who stands behind a task in its chain, whose LAST element is the next step. */
export function chainCasualties(chain: readonly WireSignature[] | null): readonly Casualty[] {
  return chain === null || chain.length === 0 ? [] : casualties(chain.toReversed());
}
