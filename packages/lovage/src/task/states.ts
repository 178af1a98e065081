// The states of a task and which of two is the stronger. Result stores do not use the order (their rule is the fence); views that
// merge what they heard from several workers do.
import { READY_STATES, type TaskState } from '../result/index.ts';

/** States of a task that has not ended. */
export const UNREADY_STATES: ReadonlySet<TaskState> = new Set(['PENDING', 'RECEIVED', 'STARTED', 'REJECTED', 'RETRY']);

/** Strongest first; `undefined` is the place of every state of a task's own. */
const ORDER: readonly (TaskState | undefined)[] = [
  'SUCCESS',
  'FAILURE',
  undefined,
  'REVOKED',
  'STARTED',
  'RECEIVED',
  'REJECTED',
  'RETRY',
  'PENDING',
];

const RANK: ReadonlyMap<TaskState | undefined, number> = new Map(ORDER.map((state, index) => [state, index]));

/** How strong a state is: 0 is the strongest. */
export function precedence(state: TaskState): number {
  return RANK.get(state) ?? RANK.get(undefined) ?? 0;
}

/** The stronger of two states. */
export function strongerState(a: TaskState, b: TaskState): TaskState {
  return precedence(b) < precedence(a) ? b : a;
}

/** Is this a state that a task may give itself with `updateState`? */
export function isCustomState(state: TaskState): boolean {
  return !READY_STATES.has(state) && !UNREADY_STATES.has(state) && state !== 'IGNORED';
}
