// `lovage multi`: several workers of one machine, started in the background and found again by their pid files.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { constants, homedir, hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple } from '@optique/core/modifiers';
import { argument } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import { ConfigurationError, didYouMean, redactText } from '../../util/index.ts';
import { isAlive, readPidFile } from '../daemon/pid-file.ts';
import { type Command, type CommandContext, defineCommand, EXIT, type GlobalOptions } from '../define.ts';
import { optionsOf } from '../environment.ts';
import { expandFor, type MultiContext, type Node, nodesOf } from '../multi/nodes.ts';
import { printable } from '../output.ts';
import { worker } from './worker.ts';

const ACTIONS = ['start', 'stop', 'stopwait', 'restart', 'kill', 'show', 'names', 'expand', 'get', 'help'] as const;
type Action = (typeof ACTIONS)[number];
type StopSignal = NodeJS.Signals;

/** How often a node that was told to stop is looked at. */
const POLL_MS = 100;

const USAGE = [
  'lovage multi start NODES [WORKER OPTIONS]      start workers in the background',
  'lovage multi stop NODES [-SIGNAL]              send them a signal, TERM by default',
  'lovage multi stopwait NODES [-SIGNAL]          the same, and wait until they are gone',
  'lovage multi restart NODES [-SIGNAL] [WORKER OPTIONS]',
  'lovage multi kill NODES                        end them at once',
  'lovage multi show NODES [WORKER OPTIONS]       print the command lines',
  'lovage multi get NODE NODES [WORKER OPTIONS]   print the arguments of one',
  'lovage multi names NODES                       print the names of the nodes',
  'lovage multi expand TEMPLATE NODES             print a text such as %n.pid for each',
  '',
  'NODES is a number (3: lovage1 to lovage3) or names (images films@box). Options of some nodes:',
  '-c:1-3 10, -Q:images,films a,b, --loglevel:2=DEBUG, by number, range or name.',
  'Of multi itself: --prefix, --suffix, --range-prefix, -n/--hostname (the host of all names).',
];

/** Where files go that nobody names: a folder of this user and of this working directory. */
function stateFolder(): string {
  const base = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const folder = process.cwd();
  const mark = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  return join(base, 'lovage', `${basename(folder)}-${mark}`);
}

function contextOf(): MultiContext {
  const known = new Map(
    optionsOf(worker.parser.usage).flatMap(({ names, takesValue }) => names.map((name) => [name, takesValue])),
  );
  const global: readonly string[] = ['-A', '--app', '-b', '--broker', '--result-backend', '--config', '--workdir', '--dotenv'];
  const folder = stateFolder();
  return {
    host: hostname(),
    pidfile: join(folder, '%n.pid'),
    logfile: join(folder, '%n%I.log'),
    rangePrefix: 'lovage',
    takesValue: (name) => (global.includes(name) ? true : known.get(name)),
  };
}

/** The global options that stood before `multi`, for the workers. */
function globalWords({ app, broker, resultBackend, config, workdir, dotenv }: GlobalOptions): readonly string[] {
  const given = { app, broker, 'result-backend': resultBackend, config, workdir, dotenv };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
}

/** Takes `-KILL`, `-SIGINT` or `-9` out of the words. */
function takeSignal(words: readonly string[]): { readonly signal: StopSignal | undefined; readonly rest: readonly string[] } {
  const names = Object.keys(constants.signals) as StopSignal[];
  const signalOf = (word: string): StopSignal | undefined => {
    const [, name] = /^-((?:SIG)?[A-Z]\w+|\d+)$/.exec(word) ?? [];
    if (name === undefined) return undefined;
    return names.find((known) => known === name || known === `SIG${name}` || constants.signals[known] === Number(name));
  };
  const at = words.findIndex((word) => signalOf(word) !== undefined);
  return at < 0
    ? { signal: undefined, rest: words }
    : { signal: signalOf(words[at] ?? ''), rest: words.filter((_, index) => index !== at) };
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** One worker, as a command line without the program. */
function argumentsOf({ global, words }: Node, more: readonly string[]): readonly string[] {
  return [...more, ...global, 'worker', ...words];
}

/** What became of a node. */
interface Fate {
  readonly node: string;
  readonly ok: boolean;
  readonly pid?: number | undefined;
  readonly error?: string | undefined;
}

async function start(node: Node, more: readonly string[]): Promise<Fate> {
  for (const file of [node.pidfile, node.logfile]) mkdirSync(dirname(file), { recursive: true });
  const script = process.argv[1] ?? '';
  const child = spawn(process.execPath, [...process.execArgv, script, ...argumentsOf(node, more)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((done, fail) => {
    child.once('error', fail);
    child.once('close', (...ended) => done(ended));
  });
  if (code === EXIT.ok) return { node: node.name, ok: true, pid: pidOf(node) };
  const why = text.trim().replace(/^Error: /, '');
  const end = code === null ? `ended by ${signal}` : `exit code ${code}`;
  return { node: node.name, ok: false, error: why === '' ? end : `${why} (${end})` };
}

/** The process of a node, if it lives. */
function pidOf({ pidfile }: Node): number | undefined {
  const pid = readPidFile(pidfile);
  return typeof pid === 'number' && isAlive(pid) ? pid : undefined;
}

function send(node: Node, signal: StopSignal): Fate {
  const pid = pidOf(node);
  if (pid === undefined) return { node: node.name, ok: true };
  try {
    process.kill(pid, signal);
    return { node: node.name, ok: true, pid };
  } catch (error) {
    return { node: node.name, ok: false, pid, error: (error as Error).message };
  }
}

async function gone(node: Node, pid: number | undefined): Promise<void> {
  while (pid !== undefined && isAlive(pid)) await sleep(POLL_MS);
  // One that was killed leaves its file.
  if (pid !== undefined && readPidFile(node.pidfile) === pid) rmSync(node.pidfile, { force: true });
}

/** Carries out one `multi` command line. */
class Multi {
  readonly #context: CommandContext;
  readonly #more: readonly string[];

  constructor(context: CommandContext) {
    this.#context = context;
    this.#more = globalWords(context.global);
  }

  async start(nodes: readonly Node[]): Promise<number> {
    this.#say('> Starting nodes...');
    const fates: Fate[] = [];
    for (const node of nodes) fates.push(this.#started(await start(node, this.#more)));
    return this.#end(fates);
  }

  /** Sends the signal to all, and waits for them where that is asked. */
  async stop(nodes: readonly Node[], signal: StopSignal, wait: boolean): Promise<number> {
    const fates = this.#signal(nodes, signal);
    if (wait) await this.#wait(nodes, fates);
    return this.#end(fates);
  }

  async restart(nodes: readonly Node[], signal: StopSignal): Promise<number> {
    const stopped = this.#signal(nodes, signal);
    const stuck = stopped.find(({ ok }) => !ok);
    if (stuck !== undefined) return this.#end(stopped);
    const fates = await Promise.all(
      nodes.map(async (node, index) => {
        await gone(node, stopped[index]?.pid);
        return this.#started(await start(node, this.#more), '> Restarting node ');
      }),
    );
    return this.#end(fates);
  }

  show(nodes: readonly Node[]): number {
    const lines = nodes.map((node) => ['lovage', ...argumentsOf(node, this.#more).map(redactText)]);
    this.#context.out.answer(
      nodes.map(({ name, pidfile, logfile }, index) => ({ node: name, command: lines[index], pidfile, logfile })),
      lines.map((words) => words.map(quoted).join(' ')),
    );
    return EXIT.ok;
  }

  get(nodes: readonly Node[], name: string): number {
    const found = nodes.find((node) => node.name === name || node.name.split('@')[0] === name);
    if (found === undefined)
      throw new ConfigurationError(`multi get: '${name}' is none of ${nodes.map((node) => node.name).join(', ')}.`);
    const words = argumentsOf(found, this.#more);
    this.#context.out.answer(words, [words.map(quoted).join(' ')]);
    return EXIT.ok;
  }

  #say(text: string): void {
    this.#context.out.line(text);
  }

  #started(fate: Fate, head = '\t> '): Fate {
    const { style } = this.#context.out;
    this.#say(`${head}${printable(fate.node)}: ${fate.ok ? style('green', 'OK') : style('red', 'FAILED')}`);
    if (fate.error !== undefined) this.#say(`  * ${fate.error.split('\n').map(printable).join('\n    ')}`);
    return fate;
  }

  #signal(nodes: readonly Node[], signal: StopSignal): readonly Fate[] {
    this.#say('> Stopping nodes...');
    const fates = nodes.map((node) => send(node, signal));
    for (const { node, pid, error } of fates) {
      if (pid === undefined) this.#say(`> ${printable(node)}: DOWN`);
      else
        this.#say(
          `\t> ${printable(node)}: ${signal.replace(/^SIG/, '')} -> ${pid}${error === undefined ? '' : ` (${printable(error)})`}`,
        );
    }
    return fates;
  }

  async #wait(nodes: readonly Node[], fates: readonly Fate[]): Promise<void> {
    const left = fates.flatMap(({ ok, pid }) => (ok && pid !== undefined ? [pid] : []));
    if (left.length === 0) return;
    this.#say(`> Waiting for ${left.length} node${left.length === 1 ? '' : 's'} -> ${left.join(', ')}...`);
    await Promise.all(
      nodes.map(async (node, index) => {
        const fate = fates[index];
        if (fate?.pid === undefined || !fate.ok) return;
        await gone(node, fate.pid);
        this.#say(`\t> ${printable(node.name)}: ${this.#context.out.style('green', 'OK')}`);
      }),
    );
  }

  #end(fates: readonly Fate[]): number {
    this.#context.out.answer(
      fates.map(({ node, ok, pid, error }) => ({ node, ok, pid: pid ?? null, ...(error === undefined ? {} : { error }) })),
      [],
    );
    return fates.every(({ ok }) => ok) ? EXIT.ok : EXIT.failure;
  }
}

const parser = object({
  words: multiple(
    argument(string({ metavar: 'WORD' }), {
      description: message`start, stop, stopwait, restart, kill, show, get, names, expand or help; then nodes, and options of workers.`,
    }),
  ),
});

export const multi: Command = defineCommand({
  name: 'multi',
  summary: 'Start, stop and restart several workers in the background.',
  examples: [
    'lovage -A tasks.ts multi start 3 -c 10 -l INFO',
    'lovage -A tasks.ts multi start images films -Q:images img -Q:films film -c:films 2',
    'lovage -A tasks.ts multi restart images films -Q:images img -Q:films film',
    'lovage multi stopwait 3',
    'lovage multi show 5 -c:1-3 10',
  ],
  words: true,
  parser,
  run: async ({ words: given }, context) => {
    const words = given.filter((word) => word !== '--nosplash' && word !== '--verbose');
    const [action = 'help', ...rest] = words;
    if (!ACTIONS.some((known) => known === action))
      throw new ConfigurationError(
        `multi: there is no '${action}'.${didYouMean(action, ACTIONS)} Known are ${ACTIONS.join(', ')}.`,
      );
    const all = new Multi(context);
    const nodes = (list: readonly string[] = rest): readonly Node[] => nodesOf(list, contextOf());
    switch (action as Action) {
      case 'start':
        return all.start(nodes());
      case 'stop':
      case 'stopwait':
      case 'restart': {
        const { signal = 'SIGTERM', rest: left } = takeSignal(rest);
        return action === 'restart' ? all.restart(nodes(left), signal) : all.stop(nodes(left), signal, action === 'stopwait');
      }
      case 'kill':
        return all.stop(nodes(), 'SIGKILL', true);
      case 'show':
        return all.show(nodes());
      case 'names': {
        const names = nodes().map(({ name }) => name);
        context.out.answer(names, names.map(printable));
        return EXIT.ok;
      }
      case 'expand':
      case 'get': {
        const [first, ...list] = rest;
        if (first === undefined)
          throw new ConfigurationError(`multi ${action}: ${action === 'get' ? 'which node?' : 'which text?'}`);
        if (action === 'get') return all.get(nodes(list), first);
        const texts = nodes(list).map(({ name }) => expandFor(name)(first));
        context.out.answer(texts, texts.map(printable));
        return EXIT.ok;
      }
      default:
        context.out.answer({ usage: USAGE }, USAGE);
        return EXIT.ok;
    }
  },
});
