// `lovage graph`: a canvas as a picture of who waits for whom, the bootsteps of a worker, the workers that there are.
import { readFile } from 'node:fs/promises';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, string } from '@optique/core/valueparser';
import { explain, statesOf } from '../../canvas/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import { type Blueprints, describeBlueprints, type StepInfo } from '../../worker/index.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { printable } from '../output.ts';
import { reachBackend } from './reach.ts';

type Format = 'text' | 'mermaid' | 'dot';

const parser = object({
  what: argument(choice(['canvas', 'bootsteps']), { description: message`What to draw.` }),
  words: multiple(
    argument(string({ metavar: 'WORD' }), {
      description: message`canvas: the signature as JSON.stringify gives it, or the path of a file with it. bootsteps: worker, consumer, or nothing for both.`,
    }),
  ),
  format: withDefault(option('--format', choice(['text', 'mermaid', 'dot']), { description: message`How to draw it.` }), 'text'),
  states: option('--states', { description: message`canvas: read how its tasks stand; their ids must be fixed.` }),
});

async function read(given: string): Promise<unknown> {
  const isJson = given.trimStart().startsWith('{');
  let text = given;
  try {
    if (!isJson) text = await readFile(given, 'utf8');
    return JSON.parse(text);
  } catch (error) {
    const what = isJson ? 'The signature' : `The file ${given}`;
    throw new ConfigurationError(
      `${what} is no JSON that can be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

interface Wish {
  readonly words: readonly string[];
  readonly format: Format;
  readonly states: boolean;
}

async function drawCanvas({ words, format, states }: Wish, { loadApp, out }: CommandContext): Promise<number> {
  const [given] = words;
  if (given === undefined || words.length > 1) throw new ConfigurationError('graph canvas takes one signature, or one file.');
  const app = await loadApp();
  const signature = app.signature((await read(given)) as never);
  if (states) await reachBackend(app);
  const picture = explain(signature, states ? await statesOf(signature) : undefined);
  const text = format === 'text' ? picture.toText() : format === 'dot' ? picture.toDot() : picture.toMermaid();
  out.answer({ tasks: picture.tasks, edges: picture.edges }, text.split('\n').map(printable));
  return EXIT.ok;
}

const BLUEPRINTS = ['worker', 'consumer'] as const;

/** As Celery marks them: steps that may be left out, and the last one. */
const marked = ({ name, conditional, last }: StepInfo): string => `${conditional ? '∘ ' : ''}${name}${last ? ' ⧉' : ''}`;

function textOf(steps: readonly StepInfo[]): readonly string[] {
  return steps.map((step, index) => {
    const requires = step.requires.length > 0 ? `  after ${step.requires.join(', ')}` : '';
    return `  ${String(index + 1).padStart(2)}  ${marked(step)}${requires}`;
  });
}

/** An arrow leads from a step to what it requires; the last requires all. */
function edgesOf(steps: readonly StepInfo[]): readonly (readonly [string, string])[] {
  const requiredBy = ({ name, requires, last }: StepInfo): readonly string[] =>
    last ? steps.filter((other) => other.name !== name).map((other) => other.name) : requires;
  return steps.flatMap((step) => requiredBy(step).map((required) => [step.name, required] as const));
}

function pictureOf(all: Blueprints, chosen: readonly (keyof Blueprints)[], format: Format): readonly string[] {
  if (format === 'text') return chosen.flatMap((name) => [`${name}:`, ...textOf(all[name])]);
  const quote = (text: string): string => JSON.stringify(text);
  const lines = chosen.flatMap((name) => {
    const id = (step: string): string => (format === 'dot' ? quote(`${name}.${step}`) : `${name}_${step.replaceAll(/\W/g, '_')}`);
    const nodes = all[name].map((step) =>
      format === 'dot' ? `  ${id(step.name)} [label=${quote(marked(step))}];` : `  ${id(step.name)}[${quote(marked(step))}]`,
    );
    const arrow = format === 'dot' ? ' -> ' : ' --> ';
    const edges = edgesOf(all[name]).map(([from, to]) => `  ${id(from)}${arrow}${id(to)}${format === 'dot' ? ';' : ''}`);
    return [...nodes, ...edges];
  });
  return format === 'dot' ? ['digraph dependencies {', ...lines, '}'] : ['flowchart TD', ...lines];
}

async function drawBootsteps({ words, format }: Wish, { loadApp, out }: CommandContext): Promise<number> {
  const unknown = words.find((word) => !BLUEPRINTS.some((name) => name === word));
  if (unknown !== undefined)
    throw new ConfigurationError(`There is no blueprint '${unknown}'; there are ${BLUEPRINTS.join(' and ')}.`);
  const chosen = BLUEPRINTS.filter((name) => words.length === 0 || words.includes(name));
  const all = describeBlueprints(await loadApp());
  out.answer(Object.fromEntries(chosen.map((name) => [name, all[name]])), pictureOf(all, chosen, format).map(printable));
  return EXIT.ok;
}

export const graph: Command = defineCommand({
  name: 'graph',
  summary: 'Draw a canvas, or the bootsteps of a worker.',
  examples: [
    'lovage -A tasks.ts graph canvas flow.json --format mermaid',
    'lovage -A tasks.ts graph bootsteps consumer --format dot',
  ],
  parser,
  run: ({ what, ...wish }, context) => (what === 'canvas' ? drawCanvas(wish, context) : drawBootsteps(wish, context)),
});
