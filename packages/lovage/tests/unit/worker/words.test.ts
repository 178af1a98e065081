// What a worker says and how it is called: names, banner, log lines.
import { readFileSync } from 'node:fs';
import type { LogRecord } from '@logtape/logtape';
import { describe, expect, it } from 'vitest';
import { banner } from '../../../src/worker/banner.ts';
import { jsonLine, textLine } from '../../../src/worker/logging.ts';
import { nodeFormat, nodeName } from '../../../src/worker/node-name.ts';

interface Case {
  readonly call: string;
  readonly format: string;
  readonly nodename: string;
  readonly result?: string;
  readonly error?: string;
}

describe('node names', () => {
  const host = 'box.example.com';
  it.each([
    [undefined, 'celery@box.example.com'],
    ['', 'celery@box.example.com'],
    ['w1', 'celery@w1'],
    ['w1@%h', 'w1@box.example.com'],
    ['w1@%n', 'w1@box'],
    ['w1@%d', 'w1@example.com'],
    ['50%%@x', '50%@x'],
  ])('%s is %s', (format, expected) => {
    expect(nodeName(format, host)).toBe(expected);
  });

  it('refuse unknown parts', () => {
    expect(() => nodeName('w@%q', host)).toThrow("unknown part '%q'");
  });

  const { cases } = JSON.parse(readFileSync(new URL('../../vectors/fn-node-format.json', import.meta.url), 'utf8')) as {
    cases: Case[];
  };
  // Celery refuses `%%` although it tells people to write it.
  const formats = cases.filter(({ call, format }) => call === 'node_format' && !format.includes('%%'));
  it.each(formats)('as parts of a file name: $format of $nodename', ({ format, nodename, result }) => {
    if (result === undefined) expect(() => nodeFormat(format, nodename)).toThrow('unknown part');
    else expect(nodeFormat(format, nodename)).toBe(result);
  });

  it('number the files of slots', () => {
    expect(nodeFormat('%n%I.log', 'w1@h', 2)).toBe('w1-2.log');
  });
});

describe('the banner', () => {
  const text = banner({
    node: 'w1@host',
    version: '1.0.0',
    appName: 'shop',
    brokerUrl: 'redis://user:secret@localhost:6379/0',
    backendUrl: undefined,
    concurrency: 20,
    pool: 'async',
    events: false,
    queues: [{ name: 'celery', exchange: 'celery', exchangeType: 'direct', routingKey: 'celery' }],
    tasks: ['shop.resize'],
    now: new Date(2026, 10, 23, 18, 0, 42),
  });

  it.each([
    '.> app:         shop',
    '.> transport:   redis://user:**@localhost:6379/0',
    '.> results:     disabled://',
    '.> concurrency: 20 (async)',
    '.> task events: OFF (enable -E to monitor tasks in this worker)',
    '.> celery           exchange=celery(direct) key=celery',
    '  . shop.resize',
    'w1@host v1.0.0',
    '2026-11-23 18:00:42',
  ])('has the line %s', (line) => {
    expect(text).toContain(line);
    expect(text).not.toContain('secret');
  });
});

describe('log lines', () => {
  const record = (message: readonly unknown[], properties: Record<string, unknown> = {}): LogRecord => ({
    category: ['lovage', 'worker', 'task'],
    level: 'info',
    message,
    rawMessage: '',
    timestamp: new Date(2026, 10, 23, 18, 0, 42, 123).getTime(),
    properties,
  });

  it('are Celery’s', () => {
    expect(textLine(record(['Task ', 'add', '[', 'id1', '] received']))).toBe(
      '[2026-11-23 18:00:42,123: INFO/MainProcess] Task add[id1] received',
    );
  });

  it('cannot be forged by what they tell of', () => {
    const line = textLine(record(['Task ', 'evil\n[2026: ERROR/MainProcess] pwned\u001b[2J\u2028\u202eenod', ' received']));
    expect(line).not.toContain('\n');
    for (const character of '\u001b\u2028\u202e') expect(line).not.toContain(character);
    expect(line).toContain('\\u000a[2026');
    expect(line).toContain('\\u202eenod');
  });

  it('keep the line ends of tracebacks, which are ours', () => {
    const traceback = '\nError: x\n    at y';
    expect(textLine(record(['raised', traceback, ''], { traceback }))).toMatch(/raised\nError: x\n {4}at y$/);
  });

  it('cut long values', () => {
    expect(textLine(record(['', 'x'.repeat(100_000), ''])).length).toBeLessThan(5000);
  });

  it('are coloured whole, when wanted', () => {
    expect(textLine({ ...record(['x']), level: 'error' }, { color: true })).toSatisfy(
      (line: string) => line.startsWith('\u001b[1;31m[') && line.endsWith('x\u001b[0m'),
    );
    expect(textLine(record(['x']), { color: true })).not.toContain('\u001b');
  });

  it('are objects for machines', () => {
    const line = jsonLine(
      record(['Task ', 'add', ' received'], { name: 'add', id: 'id1', big: 10n, error: new TypeError('bad') }),
    );
    expect(JSON.parse(line)).toMatchObject({
      level: 'INFO',
      logger: 'lovage.worker.task',
      message: 'Task add received',
      data: { name: 'add', id: 'id1', big: '10', error: { type: 'TypeError', message: 'bad' } },
    });
  });
});
