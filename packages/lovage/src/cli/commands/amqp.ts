// `lovage amqp`: Celery's shell to the broker. One command of its grammar, lines from a pipe, or a prompt.
import { createInterface } from 'node:readline/promises';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple } from '@optique/core/modifiers';
import { argument } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import { brokerOptions, type Lovage } from '../../app/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import { commandNames, commandOf, readCall, type ShellCall, splitWords, usageOf } from '../broker-shell/grammar.ts';
import { rabbitShell } from '../broker-shell/rabbit.ts';
import type { BrokerShell } from '../broker-shell/seam.ts';
import { virtualShell } from '../broker-shell/virtual.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { codeOf, describeError } from '../failure.ts';
import { printable, wrapped } from '../output.ts';
import { confirmed } from './confirm.ts';
import { reachBroker } from './reach.ts';

async function shellOf(app: Lovage): Promise<BrokerShell> {
  const broker = await reachBroker(app, 'write');
  return broker.name === 'amqp' ? rabbitShell(brokerOptions(app.name, app.settings, 'write')) : virtualShell(broker);
}

function helpLines(): readonly string[] {
  return commandNames.flatMap((name) => [...wrapped(usageOf(name), ''), ...wrapped(commandOf(name).about, '    ')]);
}

type Ask = (question: string) => Promise<boolean>;

/** Nothing is destroyed unasked. */
async function mayGo({ name, texts }: ShellCall, force: boolean, ask: Ask | undefined): Promise<boolean> {
  const { destroys } = commandOf(name);
  if (destroys === undefined || force) return true;
  if (ask === undefined)
    throw new ConfigurationError(`amqp: ${name} destroys, and nobody is there to be asked: give --force. Nothing was done.`);
  return ask(`${destroys(printable(texts.queue ?? texts.exchange ?? ''))} There is no undo.`);
}

interface Session {
  readonly shell: BrokerShell;
  readonly context: CommandContext;
  readonly ask: Ask | undefined;
}

/** Resolves to false when the answer to a question was no. */
async function perform(words: readonly string[], { shell, context: { out }, ask }: Session): Promise<boolean> {
  const isForce = (word: string): boolean => word === '-f' || word === '--force';
  const call = readCall(words.filter((word) => !isForce(word)));
  if (!(await mayGo(call, words.some(isForce), ask))) {
    out.warn('Nothing was done.');
    return false;
  }
  const { value, lines } = await shell.run(call);
  out.answer(value, [...lines.map(printable), 'OK']);
  return true;
}

/** Lines of a pipe: the first that fails ends it. */
async function readPipe(session: Session): Promise<number> {
  for await (const line of createInterface({ input: process.stdin })) {
    const words = splitWords(line);
    if (words.length === 0 || words[0]?.startsWith('#') === true) continue;
    if (words[0] === 'exit' || words[0] === 'quit') break;
    await perform(words, session);
  }
  return EXIT.ok;
}

async function prompt({ shell, context }: Omit<Session, 'ask'>): Promise<number> {
  const { out } = context;
  const complete = (line: string): [string[], string] => [
    [...commandNames, 'help', 'exit'].filter((name) => name.startsWith(line)),
    line,
  ];
  const terminal = createInterface({ input: process.stdin, output: process.stderr, completer: complete });
  // What is typed ahead, or pasted, waits for its turn.
  const lines = terminal[Symbol.asyncIterator]();
  const question = async (text: string): Promise<string | undefined> => {
    terminal.setPrompt(text);
    terminal.prompt();
    const { value, done } = await lines.next();
    return done === true ? undefined : value;
  };
  const ask: Ask = async (text) => /^y(es)?$/i.test(((await question(`${text} [y/N] `)) ?? '').trim());
  out.line(`Connected to ${printable(shell.url)}. Commands: help, exit.`);
  for (;;) {
    const line = await question('amqp> ');
    if (line === undefined) process.stderr.write('\n');
    const [word] = (line ?? 'exit').trim().split(/\s+/);
    if (word === 'exit' || word === 'quit') break;
    try {
      if (word === 'help') out.answer({ commands: commandNames.map(usageOf) }, helpLines());
      else if (word !== '') await perform(splitWords(line ?? ''), { shell, context, ask });
    } catch (error) {
      if (out.json) out.answer({ error: describeError(error)[0], code: codeOf(error) }, []);
      else out.warn(wrapped(`${out.style('red', 'Error:')} ${describeError(error).join(' ')}`, '').join('\n'));
    }
  }
  terminal.close();
  return EXIT.ok;
}

export const amqp: Command = defineCommand({
  name: 'amqp',
  summary: 'Speak to the broker by hand: declare, bind, publish, get, delete; a prompt, a pipe or one command.',
  examples: [
    'lovage -b amqp://localhost amqp',
    'lovage -b amqp://localhost amqp queue.declare mail durable=yes x-max-priority=10',
    "lovage -b redis://localhost amqp basic.publish hello '' mail",
    'lovage -A tasks.ts amqp basic.get celery no_ack=yes',
    'lovage -A tasks.ts amqp queue.delete old --force',
    'lovage -A tasks.ts amqp < commands.txt',
  ],
  words: true,
  parser: object({
    words: multiple(
      argument(string({ metavar: 'WORD' }), {
        description: message`A command and its arguments; help lists them. --force: do not ask before what destroys.`,
      }),
    ),
  }),
  run: async ({ words }, context) => {
    const isTerminal = process.stdin.isTTY === true;
    if (words[0] === 'help') {
      context.out.answer({ commands: commandNames.map(usageOf) }, helpLines());
      return EXIT.ok;
    }
    const isRepl = words.length === 0 || words[0] === 'repl';
    // A slip of the hand is told before anybody connects.
    if (!isRepl) readCall(words.filter((word) => word !== '-f' && word !== '--force'));
    const app = await context.loadApp();
    await using shell = await shellOf(app);
    const session = { shell, context };
    if (isRepl) return isTerminal ? await prompt(session) : await readPipe({ ...session, ask: undefined });
    return (await perform(words, { ...session, ask: isTerminal ? confirmed : undefined })) ? EXIT.ok : EXIT.failure;
  },
});
