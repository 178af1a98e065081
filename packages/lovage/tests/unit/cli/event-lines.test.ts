// Lines of `lovage events --dump`, as Celery prints them.
import { expect, test } from 'vitest';
import { createDump } from '../../../src/cli/commands/event-lines.ts';
import type { ReceivedEvent } from '../../../src/event/index.ts';
import { parseEvent } from '../../../src/protocol/index.ts';

const at = (type: string, fields: Record<string, unknown> = {}): ReceivedEvent => ({
  ...parseEvent({ hostname: 'w1@h', utcoffset: 0, pid: 1, clock: 129, timestamp: 1795456936.375, type, ...fields }),
  localReceived: 1,
});

test('a heartbeat', () => {
  const event = at('worker-heartbeat', {
    freq: 2.5,
    active: 0,
    processed: 3,
    loadavg: [2.69, 2.01, 1.36],
    sw_ident: 'py-celery',
  });
  expect(createDump()(event)).toBe(
    'w1@h [2026-11-23 18:02:16.375000+00:00] heartbeat: active=0, clock=129, freq=2.5, loadavg=[2.69, 2.01, 1.36], pid=1, processed=3, sw_ident=py-celery, utcoffset=0',
  );
});

test('later events of a task show its name and arguments', () => {
  const line = createDump();
  const received = at('task-received', { uuid: 'u1', name: 'proj.add', args: '(1, 2)', kwargs: '{}', eta: null, retries: 0 });
  expect(line(received)).toBe(
    'w1@h [2026-11-23 18:02:16.375000+00:00] task received: proj.add(u1) args=(1, 2) kwargs={} clock=129, eta=None, pid=1, retries=0, utcoffset=0',
  );
  expect(line(at('task-succeeded', { uuid: 'u1', result: '3', runtime: 0.5 }))).toContain(
    'task succeeded: proj.add(u1) args=(1, 2) kwargs={} clock=129, pid=1, result=3, runtime=0.5',
  );
  expect(line(at('task-started', { uuid: 'u2' }))).toContain('task started: u2 clock=129');
  expect(line(at('worker-online'))).toContain('] started: ');
  expect(line(at('worker-offline'))).toContain('] shutdown: ');
});

test('fields of an event of the user are all there, whatever they are called, and name no task', () => {
  const line = createDump();
  expect(line(at('shop-opened', { name: 'Main St', uuid: 'u9', args: [1] }))).toBe(
    'w1@h [2026-11-23 18:02:16.375000+00:00] shop opened: args=[1], clock=129, name=Main St, pid=1, utcoffset=0, uuid=u9',
  );
  line(at('task-received', { uuid: 'u1', name: 'proj.copy', args: '()', kwargs: '{}' }));
  expect(line(at('task-progress', { uuid: 'u1', name: 'a.txt' }))).toBe(
    'w1@h [2026-11-23 18:02:16.375000+00:00] task progress: proj.copy(u1) args=() kwargs={} clock=129, name=a.txt, pid=1, utcoffset=0',
  );
  expect(line(at('constructor'))).toContain('] constructor: clock=129');
});

test('names are remembered for so many tasks only, and nothing in an event reaches the terminal raw', () => {
  const line = createDump();
  line(at('task-received', { uuid: 'first', name: 'a', args: '()', kwargs: '{}' }));
  for (let n = 0; n < 4095; n++) line(at('task-received', { uuid: `${n}`, name: 'a', args: '()', kwargs: '{}' }));
  expect(line(at('task-started', { uuid: 'first' }))).toContain('task started: first clock');
  expect(line(at('task-started', { uuid: '4094' }))).toContain('a(4094)');
  expect(line(at('shop-opened', { till: '\u001b[2J\n' }))).toBe(
    'w1@h [2026-11-23 18:02:16.375000+00:00] shop opened: clock=129, pid=1, till=\\x0a, utcoffset=0',
  );
});

test('a gap says what it is', () => {
  const line = createDump();
  expect(line({ type: 'gap', reason: 'reconnected', dropped: undefined, timestamp: 1 })).toContain('Connected again');
  expect(line({ type: 'gap', reason: 'overflow', dropped: 7, timestamp: 1 })).toContain('7 events');
});
