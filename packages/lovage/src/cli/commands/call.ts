// `lovage call NAME [ARGS]`: sends one task and prints its id, or waits for its result.
import { text as readAll } from 'node:stream/consumers';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { float, integer, string, type ValueParser } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import type { AsyncResult } from '../../result/index.ts';
import { ConfigurationError, didYouMean } from '../../util/index.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { isArray, json, readJson } from '../json-options.ts';
import { isRecord, seconds, secondsOrTime, time } from '../options.ts';
import { printable, resultLines } from '../output.ts';
import { reachBroker } from './reach.ts';

/** Stands for standard input. */
const STDIN = '-';
type Args = readonly unknown[] | typeof STDIN;

function jsonArguments(): ValueParser<'sync', Args> {
  const plain = json('ARGS', isArray, 'a JSON array');
  return {
    ...plain,
    placeholder: [],
    parse: (input) => (input === STDIN ? { success: true, value: STDIN } : plain.parse(input)),
    format: (value) => (value === STDIN ? STDIN : JSON.stringify(value)),
  };
}

const parser = object({
  name: argument(string({ metavar: 'NAME' }), { description: message`Name of the task.` }),
  positional: optional(
    argument(jsonArguments(), { description: message`Positional arguments, a JSON array; - reads them from standard input.` }),
  ),
  args: optional(option('-a', '--args', jsonArguments(), { description: message`The same, as Celery's users write it.` })),
  kwargs: optional(
    option('-k', '--kwargs', json('JSON', isRecord, 'a JSON object'), {
      description: message`Keyword arguments, a JSON object.`,
    }),
  ),
  queue: optional(option('-Q', '--queue', string({ metavar: 'QUEUE' }), { description: message`Send to this queue.` })),
  exchange: optional(option('--exchange', string({ metavar: 'EXCHANGE' }), { description: message`Send to this exchange.` })),
  routingKey: optional(
    option('--routing-key', string({ metavar: 'KEY' }), { description: message`Routing key at that exchange.` }),
  ),
  countdown: optional(
    option('--countdown', float({ metavar: 'SECONDS' }), { description: message`Start no earlier than in so many seconds.` }),
  ),
  eta: optional(option('--eta', time(), { description: message`Start no earlier than at this ISO 8601 time.` })),
  expires: optional(
    option('--expires', secondsOrTime(), {
      description: message`Do not start later than in so many seconds, or at an ISO 8601 time.`,
    }),
  ),
  priority: optional(option('--priority', integer({ metavar: 'NUMBER', min: 0 }), { description: message`Message priority.` })),
  serializer: optional(
    option('--serializer', string({ metavar: 'NAME' }), {
      description: message`json, msgpack or yaml, or one of the app's own.`,
    }),
  ),
  taskId: optional(
    option('--task-id', string({ metavar: 'ID' }), { description: message`Id of the task instead of a new one.` }),
  ),
  wait: option('-w', '--wait', { description: message`Wait for the result and print it.` }),
  timeout: withDefault(option('--timeout', seconds(), { description: message`With --wait: how long.` }), 60, {
    message: message`60`,
  }),
});

async function fromStdin(): Promise<readonly unknown[]> {
  const value = readJson(await readAll(process.stdin));
  if (!isArray(value)) throw new ConfigurationError('Standard input holds JSON, but no JSON array of arguments.');
  return value;
}

async function argumentsOf(positional: Args | undefined, named: Args | undefined): Promise<readonly unknown[]> {
  if (positional !== undefined && named !== undefined)
    throw new ConfigurationError('The arguments are given twice: as ARGS and with --args. Keep one.');
  const given = positional ?? named ?? [];
  if (given !== STDIN) return given;
  try {
    return await fromStdin();
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError(`Standard input holds no JSON array of arguments: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function waitFor(result: AsyncResult<unknown>, timeout: number, { out }: CommandContext): Promise<number> {
  const value = await result.get({ timeout, propagate: false });
  const { state, error } = await result.record();
  if (error === undefined && !(value instanceof Error)) {
    out.answer({ id: result.id, status: state, result: value ?? null }, resultLines(value));
    return EXIT.ok;
  }
  const { name: type, message: why } = error ?? (value as Error);
  if (out.json) out.answer({ id: result.id, status: state, error: { type, message: why } }, []);
  else out.warn(`${out.style('red', printable(type))}: ${printable(why)}`);
  return EXIT.failure;
}

/** A name that is almost one of ours is probably a slip; it is sent all the same, since the task may live elsewhere. */
function hintAtName(app: Lovage, name: string, { out }: CommandContext): void {
  if (app.tasks.find(name) !== undefined) return;
  const hint = didYouMean(
    name,
    [...app.tasks].map((task) => task.name),
  );
  if (hint !== '') out.warn(`No task '${printable(name)}' is declared here; it is sent all the same.${printable(hint)}`);
}

export const call: Command = defineCommand({
  name: 'call',
  summary: 'Send a task by name, known here or not.',
  examples: [
    `lovage -A tasks.ts call shop.resize '["cat.png", 320]' --wait`,
    `lovage -b redis://localhost call trainer.fit -k '{"epochs": 3}' --countdown 10`,
    'lovage -A tasks.ts call shop.load - < rows.json',
  ],
  parser,
  run: async ({ name, positional, args: named, kwargs = {}, wait, timeout, ...rest }, context) => {
    const app = await context.loadApp();
    if (rest.countdown !== undefined && rest.eta !== undefined)
      throw new ConfigurationError('The start is given twice: with --countdown and with --eta. Keep one.');
    const args = await argumentsOf(positional, named);
    const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    await reachBroker(app, 'write');
    if (!context.global.quiet) hintAtName(app, name, context);
    const result = await app.sendTask(name, { args, kwargs, ...options });
    if (wait) return waitFor(result, timeout, context);
    context.out.answer({ id: result.id }, [result.id]);
    return EXIT.ok;
  },
});
