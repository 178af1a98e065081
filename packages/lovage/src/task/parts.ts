// What a task's end counts for: its part in the chord whose member it is, and the parts of those that fail with it.
import type { TaskRequest, WireException } from '../protocol/index.ts';
import type { ChordPart } from '../result/index.ts';
import type { Attempt } from './attempt.ts';
import type { Casualty } from './casualties.ts';
import type { ExecuteEnvironment } from './environment.ts';

type State = ChordPart['state'];

/** Under which task a member ended: one that is its own root ended under none. */
const otherRoot = ({ id, rootId }: TaskRequest): string | undefined => (rootId === id || rootId === '' ? undefined : rootId);

/** The part of the task itself; undefined when it is no member. Throws EncodeError when its value cannot be written. */
export function ownPart({ environment, message, body }: Attempt, state: State, result: unknown): ChordPart | undefined {
  const { chord } = body.embed;
  if (chord === null) return undefined;
  const { group: groupId, groupIndex: index, id } = message;
  if (groupId === undefined) return undefined;
  const callback = { body: chord };
  return environment.results.chords.part({ groupId, index, id, state, result, callback, rootId: otherRoot(message) });
}

/** The parts of tasks that fail with another. */
export function casualtyParts(
  environment: ExecuteEnvironment,
  fallen: readonly Casualty[],
  error: Error | WireException,
  rootId: string | undefined,
): readonly ChordPart[] {
  return fallen.flatMap(({ id, member }) => {
    if (member === undefined) return [];
    const { groupId, groupIndex: index, chord } = member;
    return environment.results.chords.part({
      groupId,
      index,
      id,
      state: 'FAILURE',
      result: error,
      callback: { body: chord },
      rootId: rootId === '' ? undefined : rootId,
    });
  });
}

/** The part of a message that cannot be read: if it belongs to a chord, whoever counts the others knows which body that has. */
export function unreadPart(environment: ExecuteEnvironment, request: TaskRequest, error: unknown): ChordPart | undefined {
  const { group: groupId, groupIndex: index, id } = request;
  if (groupId === undefined) return undefined;
  const result = error instanceof Error ? error : new Error(String(error));
  return environment.results.chords.part({ groupId, index, id, state: 'FAILURE', result, callback: undefined });
}
