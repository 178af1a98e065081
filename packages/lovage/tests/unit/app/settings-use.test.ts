// No setting lies: each one is read by something, or its row says that it does nothing, and the app says so when it is set.
import { readdirSync, readFileSync } from 'node:fs';
import { configure, type LogRecord, reset } from '@logtape/logtape';
import { expect, onTestFinished, test } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { effectNote, idleSettings, settingsTable } from '../../../src/app/settings.ts';
import { uuid } from '../../../src/util/index.ts';

const source = new URL('../../../src/', import.meta.url);

/** Everything outside the table itself, without comments and types: what is left of a setting's name there is a use of it. */
const code = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('app/settings'))
  .map((file) => readFileSync(new URL(file, source), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'])\/\/.*/g, ''))
  .join('\n');

/** What reads settings: `settings.name`, `{ name, … } = settings`, or `settings[`${kind}Name`]` with all its kinds. */
function readNames(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [, name] of code.matchAll(/\b(?:[sS]ettings|values)\??\.(\w+)/g)) names.add(name!);
  for (const [, list] of code.matchAll(/\{([^{}]*)\}\s*(?:=\s*[\w.#?()]*(?:[sS]ettings|values)\b|:\s*\w*Settings\b)/g)) {
    for (const part of list!.split(',')) names.add(part.trim().split(/[\s:=]/)[0]!);
  }
  return names;
}

const read = readNames();

test.each([...settingsTable])('%s is read, or its row says that it has no effect: not both, and not neither', (name, row) => {
  expect(read.has(name) ? 'read' : effectNote(row) === undefined ? 'neither' : 'no effect').toBe(
    effectNote(row) === undefined ? 'read' : 'no effect',
  );
});

test('a setting without effect says why', () => {
  expect(effectNote({ kind: 'string', default: null, about: '', later: 'tides' })).toBe(
    'No effect yet: belongs to tides, which is still to come.',
  );
  expect(effectNote(settingsTable.get('workerTimerPrecision')!)).toMatch(/^No effect here: .*\.$/);
  expect(effectNote(settingsTable.get('taskAcksLate')!)).toBeUndefined();
});

test('an app in which one is set says so once, when it is first used, and is silent about all others', async () => {
  const said: string[] = [];
  await configure({
    reset: true,
    sinks: { own: (record: LogRecord) => void said.push(record.message.join('')) },
    loggers: [
      { category: ['lovage', 'app'], lowestLevel: 'warning', sinks: ['own'] },
      { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: ['own'] },
    ],
  });
  onTestFinished(reset);
  const url = `memory://${uuid()}`;
  const settings = { brokerUrl: url, resultBackend: url, workerTimerPrecision: 2, taskAcksLate: false, beatSyncEvery: 0 };
  await using app = new Lovage('shop', settings, { environment: {} });
  expect(idleSettings(app.settings)).toHaveLength(1);
  for (let call = 0; call < 2; call++) await app.sendTask('elsewhere');
  await app.openBackend();
  expect(said).toEqual([expect.stringMatching(/^The setting workerTimerPrecision is set\. No effect here: /)]);
});

test('the defaults name no setting without effect', async () => {
  await using app = new Lovage('shop', {}, { environment: {} });
  expect(idleSettings(app.settings)).toEqual([]);
});
