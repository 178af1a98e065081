// `lovage config`: every setting, its value and where the value comes from.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import { celeryName, environmentName, idleSettings, settingName, settingsTable } from '../../app/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { cutTable, printable } from '../output.ts';

function shown(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'function'
      ? `[function ${part.name}]`
      : part instanceof RegExp
        ? String(part)
        : typeof part === 'bigint'
          ? String(part)
          : part,
  );
  return text ?? String(value);
}

export const config: Command = defineCommand({
  name: 'config',
  summary: 'Show settings, their values and where these come from; secrets are blotted out.',
  examples: ['lovage -A tasks.ts config', 'lovage -A tasks.ts config --all', 'lovage config brokerUrl task_serializer --json'],
  parser: object({
    names: multiple(
      argument(string({ metavar: 'SETTING' }), { description: message`Only these, by their names here or in Celery.` }),
    ),
    all: option('--all', { description: message`Those that have their default, too.` }),
  }),
  run: async ({ names, all }, { loadApp, out }) => {
    const app = await loadApp();
    const wanted = names.map(settingName);
    const values = app.conf.table({ withDefaults: true });
    const chosen = [...settingsTable.keys()].filter((name) =>
      wanted.length > 0 ? wanted.includes(name) : all || app.conf.originOf(name) !== 'the default',
    );
    const rows = chosen.map((name) => ({
      name,
      value: values[name],
      origin: app.conf.originOf(name),
      default: settingsTable.get(name)?.default,
      celery: celeryName(name) ?? null,
      environment: environmentName(name),
    }));
    const idle = idleSettings(app.settings);
    out.answer(
      rows.map((row) => JSON.parse(shown(row)) as unknown),
      rows.length === 0
        ? ['Every setting has its default; --all shows them.']
        : cutTable(
            ['setting', 'value', 'from'],
            rows.map(({ name, value, origin }) => [name, shown(value), origin]),
            1,
          ),
    );
    if (!out.json) for (const line of idle) out.warn(printable(line));
    return EXIT.ok;
  },
});
