// Writes docs/celery.md: what Lovage does with every command, setting and signal of Celery's. The lists are data of the tests; a unit test
// holds the page to them, to the command line and to the settings table. Run: node scripts/celery-page.ts
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { celeryName, effectNote, settingName, settingsTable } from '../packages/lovage/src/app/settings.ts';
import { celeryCommands } from '../packages/lovage/tests/support/celery/commands.ts';
import { settingEffects } from '../packages/lovage/tests/support/celery/effects.ts';
import { celerySettings } from '../packages/lovage/tests/support/celery/settings.ts';
import { type CelerySignal, celerySignals } from '../packages/lovage/tests/support/celery/signals.ts';

export const celeryPagePath: string = fileURLToPath(new URL('../docs/celery.md', import.meta.url));

const byCelery = new Map([...settingsTable.keys()].flatMap((name) => [[celeryName(name), name] as const]));

export type SettingFate =
  | { readonly kind: 'works'; readonly name: string; readonly test: string }
  | { readonly kind: 'refused' | 'idle'; readonly reason: string };

/** What Lovage does with a setting of Celery's. Throws when it does not know it at all. */
export function settingFate(celery: string): SettingFate {
  const name = byCelery.get(celery);
  const row = name === undefined ? undefined : settingsTable.get(name);
  if (name === undefined || row === undefined) {
    try {
      settingName(celery);
    } catch (error) {
      const [, reason] = /Celery has it, Lovage does not: (.*?)\. Take it out/.exec((error as Error).message) ?? [];
      if (reason !== undefined) return { kind: 'refused', reason };
    }
    throw new Error(
      `Celery's setting ${celery} is neither in the settings table nor in its list of those that Lovage does not have.`,
    );
  }
  const note = effectNote(row);
  if (note !== undefined) return { kind: 'idle', reason: note.replace(/^No effect (?:here|yet): /, '').replace(/\.$/, '') };
  const test = settingEffects[name];
  if (test === undefined) throw new Error(`No test shows the effect of ${name}: write one, and name it in effects.ts.`);
  return { kind: 'works', name, test };
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function commandFate(fate: string): string {
  if (fate === '=') return 'works';
  if (fate.startsWith('-> ')) return `works: ${fate.slice(3)}`;
  return fate.startsWith('no: ') ? `refused: ${fate.slice(4)}` : `Python alone: ${fate.slice('python: '.length)}`;
}

function commandRows(): readonly string[] {
  return celeryCommands.flatMap(({ name, fate, options }) => [
    `| \`${name}\` | | ${cell(commandFate(fate))} |`,
    ...Object.entries(options).map(([option, own]) => `| | \`${option}\` | ${cell(commandFate(own))} |`),
  ]);
}

function settingRow(celery: string): string {
  const fate = settingFate(celery);
  if (fate.kind !== 'works') {
    const word = fate.kind === 'refused' ? 'refused' : 'taken, without effect';
    return `| \`${celery}\` | ${word}: ${cell(fate.reason)} | |`;
  }
  return `| \`${celery}\` | works: \`${fate.name}\` | [${fate.test}](../packages/lovage/tests/${fate.test}) |`;
}

function signalRow({ name, fate, where, test }: CelerySignal): string {
  if (test === undefined) return `| \`${name}\` | ${cell(commandFate(fate))} | | |`;
  return `| \`${name}\` | ${cell(fate)} | ${where} | [${test}](../packages/lovage/tests/${test}) |`;
}

/** The whole page. */
export function celeryPage(): string {
  const fates = celerySettings.map(([name]) => settingFate(name));
  const works = fates.filter((fate) => fate.kind === 'works');
  const count = (kind: SettingFate['kind']): number => fates.filter((fate) => fate.kind === kind).length;
  return [
    '# Commands, settings and signals of Celery',
    '',
    '<!-- Made by `node scripts/celery-page.ts`; a test holds it. -->',
    '',
    "Every command, setting and signal of Celery 5.6.2, and what Lovage does with it. *Works* means: under Celery's name. *Refused* means: an",
    'error that says what to do. What belongs to Python alone has its reason. [cli.md](cli.md) and [settings.md](settings.md) have the details,',
    '`lovage upgrade settings` brings a settings file over, [interop.md](interop.md) shows what was seen between the two.',
    '',
    '## Commands',
    '',
    '| command | option | in Lovage |',
    '| --- | --- | --- |',
    ...commandRows(),
    '',
    '## Settings',
    '',
    `${fates.length} settings: ${works.length} work, ${count('idle')} are taken without an effect, ${count('refused')} are refused.`,
    'For each of those that work the last column names a test that sets it and sees what becomes of it.',
    '',
    '| setting | in Lovage | its effect is shown by |',
    '| --- | --- | --- |',
    ...celerySettings.map(([name]) => settingRow(name)),
    '',
    '## Signals',
    '',
    "`app.signals.on('task_prerun', ({ task, id }) => …)`, or `app.signals.taskPrerun.connect(…)`, answers how to disconnect. Observers are kept",
    'until then; they hear and change nothing: `app.use` adds middleware, which can. One that throws is logged and stops nobody. *Slot* is where',
    "tasks run: a process or thread of the pool, or the worker itself. Each observer's payload has a type of its own.",
    '',
    '| signal | told when | where | seen in |',
    '| --- | --- | --- | --- |',
    ...celerySignals.map(signalRow),
    '',
  ].join('\n');
}

if (import.meta.main) writeFileSync(celeryPagePath, celeryPage());
