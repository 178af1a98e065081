// `lovage call NAME [ARGS]`: sends one task and prints its id, or waits for its result.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { float, integer, string } from '@optique/core/valueparser';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { isArray, isRecord, json } from '../options.ts';
import { printable, printableJson } from '../output.ts';

const parser = object({
  name: argument(string({ metavar: 'NAME' }), { description: message`Name of the task.` }),
  args: withDefault(
    argument(json('ARGS', isArray, 'a JSON array'), { description: message`Positional arguments, a JSON array.` }),
    [],
  ),
  kwargs: withDefault(
    option('-k', '--kwargs', json('JSON', isRecord, 'a JSON object'), {
      description: message`Keyword arguments, a JSON object.`,
    }),
    {},
  ),
  queue: optional(option('-Q', '--queue', string({ metavar: 'QUEUE' }))),
  exchange: optional(option('--exchange', string({ metavar: 'EXCHANGE' }))),
  routingKey: optional(option('--routing-key', string({ metavar: 'KEY' }))),
  countdown: optional(
    option('--countdown', float({ metavar: 'SECONDS' }), { description: message`Start no earlier than in so many seconds.` }),
  ),
  eta: optional(
    option('--eta', string({ metavar: 'TIME' }), { description: message`Start no earlier than at this ISO 8601 time.` }),
  ),
  expires: optional(
    option('--expires', string({ metavar: 'SECONDS' }), {
      description: message`Give up after so many seconds, or at an ISO 8601 time.`,
    }),
  ),
  priority: optional(option('--priority', integer({ metavar: 'NUMBER' }))),
  serializer: optional(option('--serializer', string({ metavar: 'NAME' }))),
  taskId: optional(option('--task-id', string({ metavar: 'ID' }))),
  wait: option('-w', '--wait', { description: message`Wait for the result and print it.` }),
  timeout: withDefault(option('--timeout', float({ metavar: 'SECONDS' }), { description: message`With --wait: how long.` }), 60),
});

export const call: Command = defineCommand({
  name: 'call',
  summary: 'Send a task by name, known here or not.',
  examples: [`lovage -A tasks.ts call shop.resize '["cat.png", 320]' --wait`],
  parser,
  run: async ({ name, args, kwargs, wait, timeout, expires, ...rest }, { loadApp, out }) => {
    const app = await loadApp();
    const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    const life = expires === undefined ? {} : { expires: /^[\d.]+$/.test(expires) ? Number(expires) : expires };
    const result = await app.sendTask(name, { args, kwargs, ...options, ...life });
    if (!wait) {
      out.answer({ id: result.id }, [result.id]);
      return EXIT.ok;
    }
    const value = await result.get({ timeout, propagate: false });
    if (value instanceof Error) {
      out.answer({ id: result.id, error: { type: value.name, message: value.message } }, [
        out.style('red', `${value.name}: ${printable(value.message)}`),
      ]);
      return EXIT.failure;
    }
    out.answer({ id: result.id, result: value }, [typeof value === 'string' ? printable(value) : printableJson(value)]);
    return EXIT.ok;
  },
});
