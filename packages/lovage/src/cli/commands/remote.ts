// What `inspect` and `control` understand. What they do is in ask-workers.ts, where a command line that is read quickly finds it.
import { merge, object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional } from '@optique/core/modifiers';
import type { Parser } from '@optique/core/parser';
import { argument, option } from '@optique/core/primitives';
import { string, type ValueParser } from '@optique/core/valueparser';
import { commaList, seconds } from '../options.ts';
import type { AskOptions, RemoteOptions } from './ask-workers.ts';

export const askParser: Parser<'sync', AskOptions, unknown> = object({
  timeout: optional(
    option('-t', '--timeout', seconds(), { description: message`How long to wait for a further answer; 1 if not given.` }),
  ),
  destination: optional(
    option('-d', '--destination', commaList('NODES'), { description: message`Ask these workers only, such as a@host,b@host.` }),
  ),
});

// The library's types count the parsers that are merged.
const both = merge as unknown as (
  ask: Parser<'sync', AskOptions, unknown>,
  own: Parser<'sync', Omit<RemoteOptions, keyof AskOptions>, unknown>,
) => Parser<'sync', RemoteOptions, unknown>;

/** Any name, as programs add commands of their own; a shell suggests `known`. */
function commandName(known: readonly string[]): ValueParser<'sync', string> {
  return {
    ...string({ metavar: 'COMMAND' }),
    *suggest(prefix) {
      for (const name of known) if (name.startsWith(prefix)) yield { kind: 'literal', text: name };
    },
  };
}

export function remoteParser(known: readonly string[]): Parser<'sync', RemoteOptions, unknown> {
  return both(
    askParser,
    object({
      list: option('--list', { description: message`List the commands.` }),
      name: optional(argument(commandName(known), { description: message`Which command; --list shows them.` })),
      words: multiple(argument(string({ metavar: 'ARGUMENT' }), { description: message`What the command takes, in its order.` })),
    }),
  );
}
