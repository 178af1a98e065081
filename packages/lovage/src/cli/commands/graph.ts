// `lovage graph`: a canvas as a picture of who waits for whom, the bootsteps of a worker, the workers that there are.
import { readFile } from 'node:fs/promises';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, string } from '@optique/core/valueparser';
import { importModule, resolveModule, splitExport } from '../../app/index.ts';
import { explain, statesOf } from '../../canvas/index.ts';
import { ConfigurationError, reasonOf } from '../../util/index.ts';
import { type Blueprints, describeBlueprints, type StepInfo } from '../../worker/index.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { isRecord } from '../options.ts';
import { printable } from '../output.ts';
import { askWorkers, drawWorkers, pictureLines, readWish } from './graph-workers.ts';
import { reachBackend, reachBroker } from './reach.ts';

type Format = 'text' | 'mermaid' | 'dot';

const parser = object({
  what: argument(choice(['canvas', 'bootsteps', 'workers']), { description: message`What to draw.` }),
  words: multiple(
    argument(string({ metavar: 'WORD' }), {
      description: message`canvas: the signature as JSON.stringify gives it, the path of a file with it, or module:export. bootsteps: worker, consumer, or nothing for both. workers: nodes:a,b threads:2,3 wmax:4 tmax:3 generic enumerate backend:URL broker:URL, or nothing to ask them.`,
    }),
  ),
  format: withDefault(option('--format', choice(['text', 'mermaid', 'dot']), { description: message`How to draw it.` }), 'text'),
  states: option('--states', { description: message`canvas: read how its tasks stand; their ids must be fixed.` }),
});

/** What JSON gives, or the signature that a module exports. */
async function read(given: string): Promise<unknown> {
  if (given.trimStart().startsWith('{')) return parsed(given, 'The signature');
  const { path, name } = splitExport(given);
  if (name !== undefined) {
    const exported = (await importModule(resolveModule(path)))[name];
    if (isRecord(exported)) return JSON.parse(JSON.stringify(exported));
    throw new ConfigurationError(`graph canvas: ${path} exports no signature by the name '${name}'.`);
  }
  const text = await readFile(given, 'utf8').catch((error: unknown) => {
    throw new ConfigurationError(
      `graph canvas: the file ${given} cannot be read (${reasonOf(error)}). Give a signature as JSON, a file with it, or module:export.`,
    );
  });
  return parsed(text, `The file ${given}`);
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigurationError(`${what} is no JSON that can be read: ${reasonOf(error)}`);
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

async function drawCluster({ words, format }: Wish, { loadApp, out }: CommandContext): Promise<number> {
  const wish = readWish(words);
  const app = await loadApp();
  if (wish.workers === undefined) await reachBroker(app, 'read');
  const workers = wish.workers ?? (await askWorkers(app, 1));
  const brokers = wish.broker.length > 0 ? wish.broker : [(await app.openBroker('read')).url];
  const picture = drawWorkers(wish, workers, brokers, wish.backend ?? (await app.openBackend()).url);
  out.answer(picture, pictureLines(picture, format).map(printable));
  return EXIT.ok;
}

const DRAW = { canvas: drawCanvas, bootsteps: drawBootsteps, workers: drawCluster } as const;

export const graph: Command = defineCommand({
  name: 'graph',
  summary: 'Draw a canvas, the bootsteps of a worker, or the workers that there are.',
  examples: [
    'lovage -A tasks.ts graph canvas flow.json --format mermaid',
    'lovage -A tasks.ts graph canvas flows.ts:nightly --states',
    'lovage -A tasks.ts graph bootsteps consumer --format dot',
    'lovage graph workers nodes:a,b threads:2,3 generic',
  ],
  parser,
  run: ({ what, ...wish }, context) => DRAW[what](wish, context),
});
