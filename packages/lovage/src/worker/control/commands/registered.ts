import { saferepr } from '../../../protocol/index.ts';
import type { TaskDefinition } from '../../../task/index.ts';
import type { Command, CommandContext } from '../seam.ts';

const USUAL = ['exchange', 'routing_key', 'rate_limit'];

const camelCase = (name: string): string => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function lineOf(definition: TaskDefinition, items: readonly string[], { host }: CommandContext): string {
  const options = host.parts.app.options(definition) as Readonly<Record<string, unknown>>;
  const shown = items.flatMap((item) => {
    const key = camelCase(item);
    const value = Object.hasOwn(options, key) ? options[key] : undefined;
    if (value === undefined || value === null) return [];
    return [`${item}=${typeof value === 'string' ? value : saferepr(value)}`];
  });
  return shown.length === 0 ? definition.name : `${definition.name} [${shown.join(' ')}]`;
}

export const registered: Command = {
  name: 'registered',
  alias: 'dump_tasks',
  kind: 'inspect',
  help: 'List the tasks that are known, with the options asked for.',
  args: [{ name: 'taskinfoitems' }, { name: 'builtins', type: 'boolean' }],
  variadic: 'taskinfoitems',
  open: true,
  run: (context, { taskinfoitems, builtins }) => {
    const items = Array.isArray(taskinfoitems) && taskinfoitems.length > 0 ? taskinfoitems.map(String) : USUAL;
    const tasks = context.port.tasks(builtins === true);
    return tasks.map((definition) => lineOf(definition, items, context)).sort();
  },
};
