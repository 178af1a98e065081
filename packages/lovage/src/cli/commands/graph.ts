// `lovage graph canvas`: a canvas that was stored or sent, as a picture of who waits for whom.
import { readFile } from 'node:fs/promises';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, string } from '@optique/core/valueparser';
import { explain, statesOf } from '../../canvas/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { printable } from '../output.ts';
import { reachBackend } from './reach.ts';

const parser = object({
  what: argument(choice(['canvas']), { description: message`What to draw.` }),
  signature: argument(string({ metavar: 'JSON' }), {
    description: message`The signature as JSON.stringify gives it, or the path of a file with it.`,
  }),
  format: withDefault(option('--format', choice(['text', 'mermaid', 'dot']), { description: message`How to draw it.` }), 'text'),
  states: option('--states', { description: message`Read how its tasks stand; their ids must be fixed.` }),
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

export const graph: Command = defineCommand({
  name: 'graph',
  summary: 'Draw a canvas.',
  examples: ['lovage -A tasks.ts graph canvas flow.json --format mermaid'],
  parser,
  run: async ({ signature: given, format, states }, { loadApp, out }) => {
    const app = await loadApp();
    const signature = app.signature((await read(given)) as never);
    if (states) await reachBackend(app);
    const picture = explain(signature, states ? await statesOf(signature) : undefined);
    const text = format === 'text' ? picture.toText() : format === 'dot' ? picture.toDot() : picture.toMermaid();
    out.answer({ tasks: picture.tasks, edges: picture.edges }, text.split('\n').map(printable));
    return EXIT.ok;
  },
});
