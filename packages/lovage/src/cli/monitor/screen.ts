// The picture of the monitor: from model and state to exactly as many lines as the terminal has. Colours are the terminal's own sixteen,
// so that it reads on dark and light ones; what a colour says, a word says too.
import type { ClusterState, TaskView, WorkerView } from '../../event/index.ts';
import { redactData, redactText } from '../../util/index.ts';
import { type Lists, listsOf, type Model, positionIn } from './model.ts';
import { fit, widthOf, wrap } from './text.ts';

export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

/** What stands in the head beside the state. */
export interface Head {
  readonly app: string;
  readonly broker: string;
  /** `listening`, or why nothing comes. */
  readonly line: string;
  /** Events a second. */
  readonly rate: number;
}

type Paint = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan' | 'reverse';
const CODES: Readonly<Record<Paint, number>> = { bold: 1, dim: 2, green: 32, red: 31, yellow: 33, cyan: 36, reverse: 7 };
const LEAST_ROWS = 6;
const LEAST_COLUMNS = 20;

interface Column<Row> {
  readonly title: string;
  readonly width: number;
  readonly align?: 'right';
  readonly text: (row: Row) => string;
  readonly paint?: (row: Row) => Paint | undefined;
}

const STATE_PAINT: Readonly<Record<string, Paint>> = {
  SUCCESS: 'green',
  FAILURE: 'red',
  REVOKED: 'red',
  REJECTED: 'red',
  RETRY: 'yellow',
  CANCELLED: 'yellow',
  STARTED: 'cyan',
};

function clock(seconds: number): string {
  const date = new Date(seconds * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

const seconds = (value: number | undefined): string => {
  if (value === undefined) return '';
  return value < 10 ? `${value.toFixed(3)}s` : `${value.toFixed(1)}s`;
};

/** Cells of a name at least. */
const LEAST_NAME = 8;

/** Columns beside a name, without the last of them that do not fit; the mark and the name stand before them. */
function fitting<Row>(
  columns: number,
  wanted: readonly Column<Row>[],
): { readonly shown: readonly Column<Row>[]; readonly name: number } {
  const shown = [...wanted];
  const left = (): number => columns - shown.reduce((sum, { width }) => sum + width + 1, 2);
  while (left() < LEAST_NAME && shown.length > 1) shown.pop();
  return { shown, name: left() };
}

/** The columns that fit, the most telling first; what is left over goes to the name. */
function taskColumns(columns: number): readonly Column<TaskView>[] {
  const time: Column<TaskView> = { title: 'TIME', width: 8, text: ({ timestamp }) => clock(timestamp) };
  const state: Column<TaskView> = {
    title: 'STATE',
    width: columns < 60 ? 8 : 10,
    text: (task) => task.state,
    paint: (task) => STATE_PAINT[task.state],
  };
  const uuid = (width: number): Column<TaskView> => ({ title: 'UUID', width, text: (task) => task.uuid });
  const runtime: Column<TaskView> = { title: 'RUNTIME', width: 9, align: 'right', text: (task) => seconds(task.runtime) };
  const worker: Column<TaskView> = {
    title: 'WORKER',
    width: columns < 120 ? 16 : 24,
    text: (task) => task.worker ?? task.client ?? '',
  };
  const args: Column<TaskView> = { title: 'ARGS', width: columns < 150 ? 20 : 40, text: (task) => redactText(task.args ?? '') };
  const wanted =
    columns < 28
      ? [state]
      : columns < 60
        ? [time, state]
        : columns < 90
          ? [time, state, uuid(8), runtime]
          : columns < 130
            ? [time, state, uuid(36), worker]
            : [time, state, uuid(36), worker, runtime, args];
  const { shown, name } = fitting(columns, wanted);
  return [...shown.slice(0, 2), { title: 'TASK', width: name, text: (task) => task.name ?? '?' }, ...shown.slice(2)];
}

function workerColumns(columns: number, state: ClusterState): readonly Column<WorkerView>[] {
  const alive: Column<WorkerView> = {
    title: 'STATUS',
    width: 7,
    text: (worker) => (state.isAlive(worker) ? 'alive' : worker.heartbeats.length === 0 ? 'offline' : 'silent'),
    paint: (worker) => (state.isAlive(worker) ? 'green' : 'red'),
  };
  const number = (title: string, width: number, value: (worker: WorkerView) => number | undefined): Column<WorkerView> => ({
    title,
    width,
    align: 'right',
    text: (worker) => String(value(worker) ?? ''),
  });
  const rest: Column<WorkerView>[] = [
    number('ACTIVE', 6, ({ active }) => active),
    number('DONE', 8, ({ processed }) => processed),
  ];
  if (columns >= 80) rest.push({ title: 'LOAD', width: 16, text: ({ loadavg }) => loadavg?.join(' ') ?? '' });
  if (columns >= 110) {
    rest.push(number('PID', 8, ({ pid }) => pid));
    rest.push({ title: 'SOFTWARE', width: 20, text: ({ swIdent = '', swVer = '' }) => `${swIdent} ${swVer}`.trim() });
  }
  const { shown, name } = fitting(columns, [alive, ...rest]);
  return [alive, { title: 'WORKER', width: name, text: ({ hostname }) => hostname }, ...shown.slice(1)];
}

class Canvas {
  readonly lines: string[] = [];
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  paint(text: string, ...paints: readonly (Paint | undefined)[]): string {
    const codes = paints.flatMap((paint) => (paint === undefined ? [] : [CODES[paint]]));
    return this.#terminal.color && codes.length > 0 ? `\u001b[${codes.join(';')}m${text}\u001b[0m` : text;
  }

  /** A whole line in one colour. */
  line(text: string, ...paints: readonly Paint[]): void {
    this.lines.push(this.paint(fit(text, this.#terminal.columns), ...paints));
  }

  row<Row>(columns: readonly Column<Row>[], row: Row, isSelected: boolean): void {
    const cells = columns.map(({ width, align, text, paint }) => {
      const cell = fit(text(row), width, align);
      return isSelected ? cell : this.paint(cell, paint?.(row));
    });
    // The mark shows what is selected where there are no colours.
    const text = `${isSelected ? '>' : ' '} ${cells.join(' ')}`;
    const short = ' '.repeat(Math.max(0, this.#terminal.columns - 2 - columns.reduce((sum, { width }) => sum + width + 1, -1)));
    this.lines.push(isSelected ? this.paint(text + short, 'reverse') : text + short);
  }
}

function list<Row extends TaskView | WorkerView>(
  canvas: Canvas,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { selected, height, empty }: { readonly selected: string | undefined; readonly height: number; readonly empty: string },
): void {
  canvas.line(`  ${columns.map(({ title, width, align }) => fit(title, width, align)).join(' ')}`, 'bold');
  const at = positionIn(rows, selected);
  const shown = height - 1;
  const top = Math.max(0, Math.min(at - Math.floor(shown / 2), rows.length - shown));
  if (rows.length === 0 && shown > 0) canvas.line(`  ${empty}`, 'dim');
  for (let index = rows.length === 0 ? 1 : 0; index < shown; index++) {
    const row = rows[top + index];
    if (row === undefined) canvas.line('');
    else canvas.row(columns, row, top + index === at);
  }
}

const TASK_FIELDS: readonly (readonly [string, (task: TaskView) => unknown])[] = [
  ['task', ({ name }) => name],
  ['uuid', ({ uuid }) => uuid],
  ['state', ({ state }) => state],
  ['args', ({ args }) => args],
  ['kwargs', ({ kwargs }) => kwargs],
  ['result', ({ result }) => result],
  ['exception', ({ exception }) => exception],
  ['runtime', ({ runtime }) => (runtime === undefined ? undefined : seconds(runtime))],
  ['worker', ({ worker }) => worker],
  ['client', ({ client }) => client],
  ['queue', ({ queue }) => queue],
  ['exchange', ({ exchange }) => exchange],
  ['routing key', ({ routingKey }) => routingKey],
  ['retries', ({ retries }) => retries],
  ['eta', ({ eta }) => eta],
  ['expires', ({ expires }) => expires],
  ...(['sent', 'received', 'started', 'retried', 'succeeded', 'failed', 'revoked', 'rejected', 'cancelled'] as const).map(
    (name) =>
      [name, (task: TaskView) => (task[name] === undefined ? undefined : new Date(task[name] * 1000).toISOString())] as const,
  ),
  ['root', ({ rootId }) => rootId],
  ['parent', ({ parentId }) => parentId],
  ['fields', ({ custom }) => (custom === undefined ? undefined : JSON.stringify(redactData(custom)))],
];

function taskLines(task: TaskView | undefined, state: ClusterState, width: number): readonly string[] {
  if (task === undefined) return ['This task is not kept any more.'];
  const label = 12;
  const fields = TASK_FIELDS.flatMap(([name, of]) => {
    const value = of(task);
    if (value === undefined || value === null || value === '') return [];
    return wrap(redactText(String(value)), width - label).map((text, index) => `${fit(index === 0 ? name : '', label)}${text}`);
  });
  const children = state
    .children(task.uuid)
    .map((child) => `${fit('child', label)}${child.name ?? '?'}(${child.uuid}) ${child.state}`);
  const { traceback } = task;
  return [...fields, ...children, ...(traceback ? ['', ...wrap(redactText(traceback.trimEnd()), width)] : [])];
}

function workerLines(worker: WorkerView | undefined, state: ClusterState): readonly string[] {
  if (worker === undefined) return ['This worker is not known any more.'];
  const { hostname, pid, freq, active, processed, loadavg, swIdent, swVer, swSys, clock: lamport, heartbeats } = worker;
  const last = heartbeats.at(-1);
  const rows: readonly (readonly [string, unknown])[] = [
    ['worker', hostname],
    ['status', state.isAlive(worker) ? 'alive' : 'not alive'],
    ['last heard', last === undefined ? 'said that it goes' : new Date(last * 1000).toISOString()],
    ['heartbeat', `every ${freq} s`],
    ['active', active],
    ['processed', processed],
    ['load', loadavg?.join(' ')],
    ['pid', pid],
    ['clock', lamport],
    ['software', [swIdent, swVer, swSys].filter(Boolean).join(' ')],
  ];
  const tasks = state.tasks({ worker: hostname, limit: 200 });
  return [
    ...rows.flatMap(([name, value]) => (value === undefined ? [] : [`${fit(name, 12)}${String(value)}`])),
    '',
    `Its last tasks (${tasks.length}):`,
    ...tasks.map((task) => `${clock(task.timestamp)} ${fit(task.state, 10)} ${task.name ?? '?'}(${task.uuid})`),
  ];
}

const HELP: readonly string[] = [
  '↑ ↓ j k     move            pgup pgdn home end   move far',
  'enter i     detail, with the traceback of a failed task',
  'tab 1 2     tasks, workers',
  '/           show only what has these words (name, id, state, worker, arguments); esc: all',
  'c           revoke the task: it will not start, or, on demand, is stopped',
  'l           limit the rate of tasks of this name on all workers',
  'p           hold the picture still, and let it go on',
  'q esc       back; q in a list ends the monitor, as does ctrl-c',
];

function footer(canvas: Canvas, model: Model, terminal: Terminal): void {
  const { question, message, view } = model;
  if (question?.kind === 'revoke')
    canvas.line(`Revoke? y yes  n no  t yes, and stop it if it runs: ${question.name}(${question.uuid})`, 'bold');
  else if (question?.kind === 'rate')
    canvas.line(`Rate limit of ${question.name} (10/m, 5/s; 0: none): ${question.typed}_`, 'bold');
  else if (question?.kind === 'filter') canvas.line(`Show only: ${question.typed}_`, 'bold');
  else canvas.line(message === '' ? (model.filter === '' ? '' : `Only: ${model.filter} (esc: all)`) : message, 'bold');
  const list = view === 'tasks' || view === 'workers';
  const keys = list
    ? ['q quit', '? help', '↑↓ move', 'enter detail', 'tab workers', 'c revoke', 'l rate limit', '/ filter', 'p pause']
    : ['q back', '↑↓ scroll', 'c revoke', 'l rate limit'];
  let text = '';
  for (const key of keys) if (widthOf(text) + widthOf(key) + 2 <= terminal.columns) text += `${text === '' ? '' : '  '}${key}`;
  canvas.line(text, 'dim');
}

/** How many lines a list or a detail has. */
export function pageOf({ rows }: Terminal): number {
  return Math.max(1, rows - 5);
}

/** The whole screen. */
export function draw(
  model: Model,
  state: ClusterState,
  head: Head,
  terminal: Terminal,
  lists: Lists = listsOf(state, model),
): readonly string[] {
  const canvas = new Canvas(terminal);
  if (terminal.rows < LEAST_ROWS || terminal.columns < LEAST_COLUMNS) {
    canvas.line('Too small a window.');
    return canvas.lines.slice(0, terminal.rows);
  }
  const alive = state.aliveWorkers().length;
  const figures = `workers ${alive}/${state.workers().length}  tasks ${state.tasks().length}  events ${state.eventCount} (${head.rate}/s)`;
  const flag = model.paused ? '  PAUSED' : '';
  canvas.line(`lovage events  ${head.app}  ${figures}${flag}`, 'bold');
  canvas.line(`${head.broker}  ${head.line}`, head.line === 'listening' ? 'dim' : 'yellow');
  const height = pageOf(terminal) + 1;
  if (model.view === 'tasks') {
    list(canvas, taskColumns(terminal.columns), lists.tasks, {
      selected: model.selected.tasks,
      height,
      empty: 'No tasks yet. Workers tell of them when they run with -E.',
    });
  } else if (model.view === 'workers') {
    list(canvas, workerColumns(terminal.columns, state), lists.workers, {
      selected: model.selected.workers,
      height,
      empty: 'No workers yet.',
    });
  } else {
    const lines =
      model.view === 'help'
        ? HELP
        : model.view === 'task'
          ? taskLines(state.task(model.selected.tasks ?? ''), state, terminal.columns)
          : workerLines(state.worker(model.selected.workers ?? ''), state);
    const top = Math.min(model.scroll, Math.max(0, lines.length - height));
    for (let index = 0; index < height; index++) canvas.line(lines[top + index] ?? '');
  }
  footer(canvas, model, terminal);
  return canvas.lines.slice(0, terminal.rows);
}
