// Commands as the parser wants them: those that a command line needs are loaded, the others are known by name.
import { object } from '@optique/core/constructs';
import type { Command } from '../define.ts';
import { type CommandEntry, commandTable } from './table.ts';

/** Every command, loaded: for the completion of shells and the reference page. */
export function allCommands(): Promise<readonly Command[]> {
  return Promise.all(commandTable.map(({ load }) => load()));
}

/** Stands for a command that this command line does not use. */
function unloaded({ name, summary }: CommandEntry): Command {
  return { name, summary, examples: [], parser: object({}), run: () => Promise.reject(new Error(`${name} is not loaded.`)) };
}

/** All commands, of which those that `wanted` names are loaded. */
export function commandsWith(wanted: readonly string[]): Promise<readonly Command[]> {
  return Promise.all(commandTable.map(async (entry) => (wanted.includes(entry.name) ? entry.load() : unloaded(entry))));
}
