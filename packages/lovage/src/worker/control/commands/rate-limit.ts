import { pythonException, pythonText } from '../../../protocol/index.ts';
import { consumerOf } from '../parts.ts';
import { type Command, CommandError, type ErrorReply, ok } from '../seam.ts';
import { textOf } from '../words.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Starts in a second; what Python says where it cannot be read. */
function readRate(rate: unknown): number | ErrorReply {
  if (typeof rate !== 'string' && typeof rate !== 'number') return invalid(String(rate));
  const [, count = '', unit = ''] = /^\s*([^/]*?)\s*(?:\/\s*(.*?)\s*)?$/s.exec(String(rate)) ?? [];
  const seconds = unit === '' ? 1 : Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (seconds === undefined) throw new CommandError('KeyError', unit);
  const number = count === '' ? Number.NaN : Number(count);
  return Number.isFinite(number) && number >= 0 ? number / seconds : invalid(count);
}

function invalid(text: string): ErrorReply {
  const why = pythonException('ValueError', `could not convert string to float: ${pythonText(text)}`);
  return { error: `Invalid rate limit string: ${why}` };
}

export const rateLimit: Command = {
  name: 'rate_limit',
  help: 'Set how often a task may start: 10, 10/s, 100/m, 5/h; 0 is no limit.',
  args: [
    { name: 'task_name', type: 'string', required: true },
    { name: 'rate_limit', required: true },
  ],
  open: true,
  run: (context, { task_name: name, rate_limit: limit }) => {
    const task = textOf(name, 'task_name');
    const isOff = limit === null || limit === '' || limit === 0 || limit === false;
    const rate = isOff ? 0 : readRate(limit);
    if (typeof rate !== 'number') return rate;
    if (context.host.parts.app.find(task) === undefined) return { error: 'unknown task' };
    consumerOf(context).flow.change(task, { rate: rate === 0 ? undefined : rate });
    return ok(isOff ? 'rate limit disabled successfully' : 'new rate limit set successfully');
  },
};
