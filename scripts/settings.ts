// Makes docs/settings.md and the type Settings from the settings table: `node scripts/settings.ts` writes both, a unit test holds them.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { celeryName, effectNote, environmentName, type SettingRow, settingParts } from '../packages/lovage/src/app/settings.ts';

export const settingsPagePath: string = fileURLToPath(new URL('../docs/settings.md', import.meta.url));
export const settingsTypePath: string = fileURLToPath(new URL('../packages/lovage/src/app/settings/types.ts', import.meta.url));

const KIND_TYPES: Readonly<Record<string, string>> = {
  boolean: 'boolean',
  string: 'string',
  integer: 'number',
  number: 'number',
  seconds: 'number',
  strings: 'readonly string[]',
  map: 'Readonly<Record<string, unknown>>',
  urls: 'string | readonly string[]',
  any: 'unknown',
};

function typeOf(row: SettingRow): string {
  if (row.type !== undefined) return row.type;
  const base = row.kind === 'choice' ? (row.choices ?? []).map(literal).join(' | ') : (KIND_TYPES[row.kind] ?? 'unknown');
  return row.default === null || row.nullable === true ? `${base} | null` : base;
}

function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, item]) => `${key}: ${literal(item)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

/** What a setting means, and that it does nothing where that is so. */
function aboutOf(row: SettingRow): string {
  const note = effectNote(row);
  return note === undefined ? row.about : `${row.about} ${note}`;
}

/** The text of src/app/settings/types.ts. */
export function settingsType(): string {
  const rows = Object.values(settingParts).flatMap((part) => Object.entries(part));
  const lines = rows.map(
    ([name, row]) =>
      `  /**\n   * ${aboutOf(row)}\n   * @default ${literal(row.default)}\n   */\n  readonly ${name}: ${typeOf(row)};`,
  );
  return [
    '// Every setting with its type. Made from the settings table by scripts/settings.ts: change the table, then run the script.',
    "import type { SigningKey } from '../../security/index.ts';",
    "import type { Annotations, BeatEntry, MissingQueue, PublishRetryPolicy, QueueList, Routes } from './shapes.ts';",
    '',
    '/** All settings, as they are after conversion and with every default filled in. */',
    'export interface Settings {',
    ...lines,
    '}',
    '',
  ].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function tableOf(title: string, rows: Readonly<Record<string, SettingRow>>): string {
  const lines = Object.entries(rows).map(([name, row]) => {
    const celery = celeryName(name);
    return `| \`${name}\` | ${celery === undefined ? '–' : `\`${celery}\``} | \`${cell(typeOf(row))}\` | \`${cell(literal(row.default))}\` | ${cell(aboutOf(row))} |`;
  });
  return [`## ${title}`, '', '| setting | Celery | type | default | meaning |', '|---|---|---|---|---|', ...lines, ''].join('\n');
}

/** The text of docs/settings.md. */
export function settingsPage(): string {
  const intro = `# Settings

<!-- Made from the settings table by \`node scripts/settings.ts\`; a test holds it. -->

Give settings to the constructor (\`new Lovage('shop', { taskTimeLimit: 30 })\`), to \`app.conf.update(…)\`, in the environment
(\`${environmentName('taskTimeLimit')}=30\`), in a file (\`lovage.config.ts\`, found upwards from the working directory) or on the command
line. What stands first in this list wins: command line, constructor, \`update\`, environment, file or object given to
\`app.conf.load\`, \`addDefaults\`, the default below.

Names are camelCase; Celery's snake_case names work everywhere too. Durations are seconds, \`null\` means unset. An unknown name, a value of
the wrong kind and two settings that contradict each other are a \`ConfigurationError\` that says what to do. In the environment, lists are
separated by commas and maps are JSON. The environment names of Celery for addresses (\`CELERY_BROKER_URL\`,
\`CELERY_BROKER_READ_URL\`, \`CELERY_BROKER_WRITE_URL\`, \`CELERY_RESULT_BACKEND\`) work as well.

A setting that has no effect says so in this table, and an app in which it is set says so in its log.
`;
  return [intro, ...Object.entries(settingParts).map(([title, rows]) => tableOf(title, rows))].join('\n');
}

if (import.meta.main) {
  writeFileSync(settingsTypePath, settingsType());
  writeFileSync(settingsPagePath, settingsPage());
}
