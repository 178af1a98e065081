// `lovage shell`: JavaScript with the app, its tasks and the canvas at hand; at a terminal, from a pipe, or one line of it.
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type REPLServer, start } from 'node:repl';
import { text as readAll } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import { Lovage } from '../../app/index.ts';
import { chain, chord, chunks, explain, group, map, starmap } from '../../canvas/index.ts';
import { ConfigurationError, version } from '../../util/index.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { toJson } from '../output.ts';
import { compileCode } from './shell-code.ts';

/** The last part of a task's name, when it can stand in a program and says which one is meant. */
function shortNames(app: Lovage): Readonly<Record<string, unknown>> {
  const byName = new Map<string, string[]>();
  const names = [...app.tasks].map(({ name }) => name).filter((name) => !name.startsWith('celery.'));
  for (const name of names) {
    const short = name.split('.').at(-1) ?? '';
    if (/^[A-Za-z_$][\w$]*$/.test(short)) byName.set(short, [...(byName.get(short) ?? []), name]);
  }
  const single = [...byName].filter(([, full]) => full.length === 1);
  return Object.fromEntries(single.map(([short, [name = '']]) => [short, app.remote(name)]));
}

/** What has a name in the shell. */
function world(app: Lovage, withTasks: boolean): Readonly<Record<string, unknown>> {
  const own = { app, Lovage, chain, chord, chunks, group, map, starmap, explain, signature: app.signature.bind(app) };
  return withTasks ? { ...shortNames(app), ...own } : own;
}

function greet(app: Lovage, names: readonly string[]): void {
  process.stdout.write(`Lovage ${version()}, Node ${process.versions.node}, app '${app.name}'. Here are: ${names.join(', ')}.\n`);
}

function keepHistory(server: REPLServer): void {
  const folder = join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'lovage');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  server.setupHistory(join(folder, 'shell_history'), () => undefined);
}

function fill(server: REPLServer, names: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(names)) {
    Object.defineProperty(server.context, name, { value, writable: true, configurable: true, enumerable: true });
  }
}

const ended = (server: REPLServer): Promise<void> => new Promise((done) => server.once('exit', () => done()));

/** A program from elsewhere: runs it whole and prints the value of its last expression. */
async function runCode(code: string, names: Readonly<Record<string, unknown>>, { out }: CommandContext): Promise<number> {
  let run: ReturnType<typeof compileCode>;
  try {
    run = compileCode(code, Object.keys(names));
  } catch (error) {
    throw new ConfigurationError(`shell: the code cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const value = await run(...Object.values(names));
  if (out.json) process.stdout.write(`${toJson(value ?? null)}\n`);
  else if (value !== undefined) process.stdout.write(`${typeof value === 'string' ? value : inspect(value)}\n`);
  return EXIT.ok;
}

export const shell: Command = defineCommand({
  name: 'shell',
  summary: 'JavaScript with the app, its tasks and the canvas at hand.',
  examples: [
    'lovage -A tasks.ts shell',
    'lovage -A tasks.ts shell -e \'await (await resize.delay("cat.png", 320)).get()\'',
    'lovage -A tasks.ts shell < script.js',
  ],
  parser: object({
    evaluate: optional(
      option('-e', '--eval', string({ metavar: 'CODE' }), { description: message`Run this, print its value and end.` }),
    ),
    withoutTasks: option('-T', '--without-tasks', { description: message`Leave the names of tasks out.` }),
  }),
  run: async ({ evaluate, withoutTasks }, context) => {
    const app = await context.loadApp();
    const names = world(app, !withoutTasks);
    if (evaluate !== undefined) return runCode(evaluate, names, context);
    if (process.stdin.isTTY !== true) return runCode(await readAll(process.stdin), names, context);
    if (!context.global.quiet) greet(app, Object.keys(names));
    const server = start({ prompt: 'lovage> ', useGlobal: false, ignoreUndefined: true, useColors: context.logColor });
    fill(server, names);
    server.on('reset', () => fill(server, names));
    keepHistory(server);
    await ended(server);
    return EXIT.ok;
  },
});
