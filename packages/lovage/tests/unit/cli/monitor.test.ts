// The terminal monitor without a terminal: keys, what they do, and what is drawn on wide, narrow and tiny screens.
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { keysOf } from '../../../src/cli/monitor/keys.ts';
import { filtered, type Key, listsOf, type Model, type Press, press, START } from '../../../src/cli/monitor/model.ts';
import { draw, type Terminal } from '../../../src/cli/monitor/screen.ts';
import { fit, widthOf, wrap } from '../../../src/cli/monitor/text.ts';
import { ClusterState } from '../../../src/event/index.ts';
import { parseEvent } from '../../../src/protocol/index.ts';

const NOW = 1_795_455_835;

function stateWith(tasks = 3): ClusterState {
  const state = new ClusterState({ clock: { now: () => NOW, monotonic: () => 0 } });
  const add = (type: string, n: number, fields: Record<string, unknown>): void =>
    state.add({
      ...parseEvent({ hostname: 'w1@h', pid: 7, clock: n, timestamp: NOW - 100 + n, type, ...fields }),
      localReceived: NOW,
    });
  add('worker-heartbeat', 1, { freq: 2, active: 1, processed: 9, loadavg: [1, 0.5, 0.25], sw_ident: 'lovage', sw_ver: '1' });
  for (let n = 0; n < tasks; n++)
    add('task-received', n + 2, { uuid: `id-${n}`, name: `shop.task${n}`, args: `(${n},)`, kwargs: '{}', retries: 0 });
  add('task-failed', tasks + 2, {
    uuid: 'id-0',
    exception: "ValueError('\u001b[31mred')",
    traceback: 'Traceback:\n  line\nValueError: red',
  });
  return state;
}

const wide: Terminal = { columns: 140, rows: 20, color: true };
const HEAD = { app: 'shop', broker: 'redis://localhost', line: 'listening', rate: 3 };
const picture = (model: Model, state: ClusterState, terminal: Terminal = { ...wide, color: false }): readonly string[] =>
  draw(model, state, HEAD, terminal);

function typed(state: ClusterState, keys: readonly Key[], from: Model = START): Press {
  return keys.reduce<Press>((last, key) => press(last.model, key, { state, page: 5 }), { model: from });
}

test('bytes of a terminal become keys, also when several come at once', () => {
  expect(keysOf('\u001b[A\u001b[Bjq\r\u001b[5~\u001b[6~\t\u007f\u0003')).toEqual([
    ...['up', 'down', 'j', 'q', 'enter', 'pageUp', 'pageDown', 'tab', 'backspace', 'interrupt'],
  ]);
  expect(keysOf('\u001b')).toEqual(['escape']);
  expect(keysOf('\u001b[38;5;1R')).toEqual([]);
  expect(keysOf('é日')).toEqual(['é', '日']);
});

test('texts are cut and padded by the cells that they take, and cannot move the cursor', () => {
  expect(fit('abc', 5)).toBe('abc  ');
  expect(fit('abcdef', 4)).toBe('abc…');
  expect(fit('日本語', 5)).toBe('日本…');
  expect(fit('✅⚡ ok', 5)).toBe('✅⚡…');
  expect(fit('7', 3, 'right')).toBe('  7');
  expect(widthOf(fit('a\u001b[2Jb\nc', 12))).toBe(12);
  expect(fit('a\u001b[2Jb', 3)).toBe('ab ');
  expect(wrap('abcdef\nx', 4)).toEqual(['abcd', 'ef', 'x']);
});

test.each([
  [{ columns: 140, rows: 20, color: true }, ['TIME', 'STATE', 'TASK', 'UUID', 'WORKER', 'RUNTIME', 'ARGS']],
  [{ columns: 100, rows: 12, color: false }, ['TIME', 'STATE', 'TASK', 'UUID', 'WORKER']],
  [{ columns: 80, rows: 24, color: true }, ['TIME', 'STATE', 'TASK', 'UUID', 'RUNTIME']],
  [{ columns: 40, rows: 10, color: true }, ['TIME', 'STATE', 'TASK']],
  [{ columns: 27, rows: 10, color: true }, ['STATE', 'TASK']],
  [{ columns: 20, rows: 6, color: false }, ['STATE', 'TASK']],
])('every line of a screen of %j is as wide as the screen, and the most telling columns are there', (terminal, columns) => {
  const state = stateWith(30);
  for (const view of ['tasks', 'workers', 'task', 'worker', 'help'] as const) {
    const model = { ...START, view, selected: { tasks: 'id-0', workers: 'w1@h' } };
    const lines = draw(model, state, HEAD, terminal).map((line) => stripVTControlCharacters(line));
    expect(lines).toHaveLength(terminal.rows);
    expect(new Set(lines.map(widthOf))).toEqual(new Set([terminal.columns]));
  }
  const head = stripVTControlCharacters(draw(START, state, HEAD, terminal)[2] ?? '');
  expect(head.trim().split(/\s+/)).toEqual(columns);
});

test('a window that is too small says so', () => {
  expect(draw(START, stateWith(), HEAD, { columns: 80, rows: 4, color: true })[0]).toContain('Too small');
});

test('the list shows the newest first, the states in words and colours, and what is selected', () => {
  const lines = picture(START, stateWith());
  expect(lines[0]).toContain('workers 1/1  tasks 3  events 5 (3/s)');
  expect(lines[3]).toMatch(/^> \d\d:\d\d:\d\d FAILURE +shop\.task0 .*id-0/);
  expect(lines[4]).toMatch(/^ {2}\d\d:\d\d:\d\d RECEIVED +shop\.task2/);
  expect(lines.at(-1)).toContain('c revoke');
  const colored = draw(START, stateWith(), HEAD, wide);
  expect(colored[3]).toContain('\u001b[7m');
});

test('keys move the selection, which stays on its task when others come', () => {
  const state = stateWith();
  const { model } = typed(state, ['down', 'down', 'down', 'up']);
  expect(model.selected.tasks).toBe('id-2');
  state.add(parseEvent({ hostname: 'w1@h', timestamp: NOW, clock: 99, type: 'task-received', uuid: 'new', name: 'shop.new' }));
  expect(picture(model, state).find((line) => line.startsWith('>'))).toContain('id-2');
  expect(typed(state, ['end']).model.selected.tasks).toBe('id-1');
  expect(typed(state, ['end', 'home']).model.selected.tasks).toBe('new');
});

test('keys mean what is on the screen, not what came since', () => {
  const state = stateWith();
  const lists = listsOf(state, START);
  state.add(parseEvent({ hostname: 'w1@h', timestamp: NOW, clock: 99, type: 'task-received', uuid: 'new', name: 'shop.new' }));
  const seen = { state, page: 5, lists };
  expect(press(START, 'c', seen).model.question).toMatchObject({ uuid: 'id-0' });
  expect(press(START, 'enter', seen).model.selected.tasks).toBe('id-0');
  expect(press(START, 'down', seen).model.selected.tasks).toBe('id-2');
  // A filter thins a picture that stands still, too.
  expect(filtered(lists, 'shop.task').tasks).toHaveLength(3);
  expect(filtered(lists, 'shop.new').tasks).toEqual([]);
});

test('events with values that no worker sends are drawn as well', () => {
  const state = stateWith();
  const odd = { hostname: 'w1@h', clock: 50, uuid: 'odd', runtime: null, result: null, name: null, args: null };
  state.add(parseEvent({ ...odd, timestamp: 8.64e12, type: 'task-succeeded' }));
  for (const view of ['tasks', 'task', 'workers', 'worker'] as const) {
    const model = { ...START, view, selected: { tasks: 'odd', workers: 'w1@h' } };
    expect(draw(model, state, HEAD, wide)).toHaveLength(wide.rows);
  }
});

test('a detail shows all that is known, the traceback too, and gives no control to what a task wrote', () => {
  const state = stateWith();
  const { model } = typed(state, ['enter']);
  const text = picture(model, state).join('\n');
  expect(text).toMatch(/task +shop\.task0\s/);
  expect(text).toContain("exception   ValueError('red')");
  expect(text).toContain('ValueError: red');
  expect(text).not.toContain('\u001b');
  expect(typed(state, ['q'], model).model.view).toBe('tasks');
});

test('workers have a list and a detail of their own', () => {
  const state = stateWith();
  const { model } = typed(state, ['tab']);
  expect(picture(model, state)[3]).toMatch(/^> alive +w1@h .* 1 +9 1 0\.5 0\.25/);
  const detail = picture(typed(state, ['enter'], model).model, state).join('\n');
  expect(detail).toContain('heartbeat   every 2 s');
  expect(detail).toContain('shop.task0(id-0)');
  expect(typed(state, ['c'], model).model.message).toBe('No task is selected.');
});

test('revoke asks first, and can stop a running task', () => {
  const state = stateWith();
  const asked = typed(state, ['c']);
  expect(asked.action).toBeUndefined();
  expect(picture(asked.model, state).at(-2)).toContain('Revoke? y yes  n no  t yes, and stop it if it runs: shop.task0(id-0)');
  expect(typed(state, ['n'], asked.model)).toMatchObject({ model: { question: undefined } });
  expect(typed(state, ['y'], asked.model).action).toEqual({ kind: 'revoke', uuid: 'id-0', terminate: false });
  expect(typed(state, ['t'], asked.model).action).toEqual({ kind: 'revoke', uuid: 'id-0', terminate: true });
});

test('a rate limit is typed, corrected, sent, or left', () => {
  const state = stateWith();
  const asked = typed(state, ['l', '1', '0', '0', 'backspace', '/', 'm']);
  expect(picture(asked.model, state).at(-2)).toContain('Rate limit of shop.task0 (10/m, 5/s; 0: none): 10/m_');
  expect(typed(state, ['enter'], asked.model).action).toEqual({ kind: 'rate', name: 'shop.task0', rate: '10/m' });
  expect(typed(state, ['escape', 'enter'], asked.model).action).toBeUndefined();
});

test('a filter thins both lists until it is left', () => {
  const state = stateWith();
  const { model } = typed(state, ['/', 't', 'a', 's', 'k', '1', 'enter']);
  expect(listsOf(state, model).tasks.map(({ uuid }) => uuid)).toEqual(['id-1']);
  expect(picture(model, state).at(-2)).toContain('Only: task1');
  expect(listsOf(state, typed(state, ['escape'], model).model).tasks).toHaveLength(3);
});

test('q leaves a detail, then the monitor; ctrl-c leaves from anywhere', () => {
  const state = stateWith();
  expect(typed(state, ['enter', 'q']).action).toBeUndefined();
  expect(typed(state, ['enter', 'q', 'q']).action).toEqual({ kind: 'quit' });
  expect(typed(state, ['c', 'interrupt']).action).toEqual({ kind: 'quit' });
});
