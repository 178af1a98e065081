// What a line is to do that was read without the parser.
import type { CommandContext } from './define.ts';
import { globalVariables, type QuickLine } from './quick.ts';
import type { Errand } from './understand.ts';

export function quickErrand({ kind, options, global }: QuickLine): Errand {
  return {
    name: kind,
    global,
    user: {},
    preload: {},
    variables: () => Promise.resolve(globalVariables),
    run: async (context: CommandContext) => (await import('./commands/ask-workers.ts')).runRemote(kind, options, context),
  };
}
