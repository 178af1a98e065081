// What a person sees and does in the terminal monitor, without a terminal: a view, a selection, a question that is asked, and what each
// key makes of it.
import type { ClusterState, TaskView, WorkerView } from '../../event/index.ts';

/** Keys as the monitor knows them; letters are themselves. */
export type Key =
  | 'up'
  | 'down'
  | 'pageUp'
  | 'pageDown'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'tab'
  | 'interrupt'
  | (string & {});

/** A question at the foot of the screen. */
export type Question =
  | { readonly kind: 'revoke'; readonly uuid: string; readonly name: string }
  | { readonly kind: 'rate'; readonly name: string; readonly typed: string }
  | { readonly kind: 'filter'; readonly typed: string };

export interface Model {
  readonly view: 'tasks' | 'workers' | 'task' | 'worker' | 'help';
  /** The list that a detail was opened from. */
  readonly list: 'tasks' | 'workers';
  /** Selected, by list: a uuid, a node name. */
  readonly selected: { readonly tasks: string | undefined; readonly workers: string | undefined };
  /** First line of a detail that is shown. */
  readonly scroll: number;
  readonly filter: string;
  readonly paused: boolean;
  readonly question: Question | undefined;
  /** What came of the last command. */
  readonly message: string;
}

/** What a key asks the program to do. */
export type Action =
  | { readonly kind: 'quit' }
  | { readonly kind: 'revoke'; readonly uuid: string; readonly terminate: boolean }
  | { readonly kind: 'rate'; readonly name: string; readonly rate: string };

export interface Press {
  readonly model: Model;
  readonly action?: Action;
}

export const START: Model = {
  view: 'tasks',
  list: 'tasks',
  selected: { tasks: undefined, workers: undefined },
  scroll: 0,
  filter: '',
  paused: false,
  question: undefined,
  message: '',
};

/** What the lists show. */
export interface Lists {
  readonly tasks: readonly TaskView[];
  readonly workers: readonly WorkerView[];
}

/** Tasks newest first and workers by name, as far as the filter lets them through. */
export function listsOf(state: ClusterState, { filter }: Pick<Model, 'filter'>): Lists {
  return filtered({ tasks: state.tasks(), workers: state.workers() }, filter);
}

/** Of these what the filter lets through. */
export function filtered({ tasks, workers }: Lists, filter: string): Lists {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return { tasks, workers };
  const takes = (...texts: readonly (string | undefined)[]): boolean => {
    const all = texts.join(' ').toLowerCase();
    return words.every((word) => all.includes(word));
  };
  return {
    tasks: tasks.filter(({ name, uuid, state: of, worker, args }) => takes(name, uuid, of, worker, args)),
    workers: workers.filter(({ hostname }) => takes(hostname)),
  };
}

const keyOf = (entry: TaskView | WorkerView): string => ('uuid' in entry ? entry.uuid : entry.hostname);

/** Where the selection stands; the first entry where it has gone. */
export function positionIn(list: readonly (TaskView | WorkerView)[], selected: string | undefined): number {
  return Math.max(
    0,
    list.findIndex((entry) => keyOf(entry) === selected),
  );
}

const STEPS: Readonly<Record<string, (page: number) => number>> = {
  up: () => -1,
  k: () => -1,
  down: () => 1,
  j: () => 1,
  pageUp: (page) => -page,
  pageDown: (page) => page,
  home: () => Number.NEGATIVE_INFINITY,
  end: () => Number.POSITIVE_INFINITY,
};

function moved(model: Model, lists: Lists, step: number): Model {
  if (model.view === 'task' || model.view === 'worker' || model.view === 'help') {
    const scroll = step === Number.NEGATIVE_INFINITY ? 0 : Math.max(0, Math.min(model.scroll + step, 100_000));
    return { ...model, scroll };
  }
  const list = lists[model.view];
  const at = Math.min(list.length - 1, Math.max(0, positionIn(list, model.selected[model.view]) + step));
  const entry = list[at];
  return { ...model, selected: { ...model.selected, [model.view]: entry === undefined ? undefined : keyOf(entry) } };
}

/** The task that keys act on: the selected one, or the one that is shown. */
export function taskAt(model: Model, lists: Lists, state: ClusterState): TaskView | undefined {
  if (model.list === 'workers') return undefined;
  if (model.view === 'task' && model.selected.tasks !== undefined) return state.task(model.selected.tasks);
  return lists.tasks[positionIn(lists.tasks, model.selected.tasks)];
}

function answered(model: Model, question: Question, key: Key): Press {
  const closed = { ...model, question: undefined };
  if (key === 'escape') return { model: question.kind === 'filter' ? { ...closed, filter: '' } : closed };
  if (question.kind === 'revoke') {
    if (key === 'y' || key === 't')
      return { model: closed, action: { kind: 'revoke', uuid: question.uuid, terminate: key === 't' } };
    return { model: closed };
  }
  if (key === 'enter') {
    if (question.kind === 'filter') return { model: closed };
    return question.typed.trim() === ''
      ? { model: closed }
      : { model: closed, action: { kind: 'rate', name: question.name, rate: question.typed.trim() } };
  }
  const typed = key === 'backspace' ? question.typed.slice(0, -1) : key.length === 1 ? question.typed + key : question.typed;
  const asked = { ...model, question: { ...question, typed } };
  return { model: question.kind === 'filter' ? { ...asked, filter: typed } : asked };
}

function opened(model: Model, lists: Lists): Model {
  if (model.view !== 'tasks' && model.view !== 'workers') return model;
  const entry = lists[model.view][positionIn(lists[model.view], model.selected[model.view])];
  if (entry === undefined) return model;
  const selected = { ...model.selected, [model.view]: keyOf(entry) };
  return { ...model, view: model.view === 'tasks' ? 'task' : 'worker', list: model.view, selected, scroll: 0 };
}

function asked(model: Model, task: TaskView | undefined, kind: 'revoke' | 'rate'): Model {
  if (task === undefined) return { ...model, message: 'No task is selected.' };
  if (kind === 'revoke') return { ...model, question: { kind, uuid: task.uuid, name: task.name ?? 'task' } };
  if (task.name === undefined) return { ...model, message: 'The name of this task is not known yet.' };
  return { ...model, question: { kind, name: task.name, typed: '' } };
}

/** What is on the screen when a key is pressed. */
interface Shown {
  readonly state: ClusterState;
  /** How many lines a list or detail shows. */
  readonly page: number;
  /** What was drawn: a key means what its user sees, not what came since. @default what the state has now */
  readonly lists?: Lists;
}

/** What a key does. */
export function press(before: Model, key: Key, { state, page, lists = listsOf(state, before) }: Shown): Press {
  if (key === 'interrupt') return { model: before, action: { kind: 'quit' } };
  if (before.question !== undefined) return answered(before, before.question, key);
  const model = { ...before, message: '' };
  const step = STEPS[key];
  if (step !== undefined) return { model: moved(model, lists, step(page)) };
  const isDetail = model.view !== 'tasks' && model.view !== 'workers';
  switch (key) {
    case 'q':
      return isDetail ? { model: { ...model, view: model.list, scroll: 0 } } : { model, action: { kind: 'quit' } };
    case 'escape':
      return { model: { ...model, view: model.list, scroll: 0, filter: isDetail ? model.filter : '' } };
    case 'tab':
    case 'w':
      return { model: switched(model, model.list === 'tasks' ? 'workers' : 'tasks') };
    case '1':
      return { model: switched(model, 'tasks') };
    case '2':
      return { model: switched(model, 'workers') };
    case 'enter':
    case 'i':
      return { model: opened(model, lists) };
    case '/':
      return { model: { ...switched(model, model.list), question: { kind: 'filter', typed: model.filter } } };
    case 'p':
      return { model: { ...model, paused: !model.paused } };
    case 'c':
      return { model: asked(model, taskAt(model, lists, state), 'revoke') };
    case 'l':
      return { model: asked(model, taskAt(model, lists, state), 'rate') };
    case '?':
    case 'h':
      return { model: { ...model, view: 'help', scroll: 0 } };
    default:
      return { model };
  }
}

function switched(model: Model, list: Model['list']): Model {
  return { ...model, view: list, list, scroll: 0 };
}
