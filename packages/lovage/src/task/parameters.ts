// The parameters of a task's function: told by `params`, else read from the function's own text when that is plain and not minified.
// A type-stripped `y?: number` looks like a required parameter, so a text tells how many arguments there may be, never how many must.
import { ConfigurationError } from '../util/index.ts';
import type { TaskDefinition } from './options.ts';

/** What is known of the parameters, the context not counted. */
export type KnownParameters = Pick<TaskDefinition, 'params' | 'arity'>;

const UNKNOWN: KnownParameters = { params: undefined, arity: undefined };
const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** From a list such as `['path', 'width?', '...rest']`. */
export function declaredParameters(names: readonly string[]): KnownParameters {
  const rest = names.at(-1)?.startsWith('...') === true;
  const fixed = rest ? names.slice(0, -1) : names;
  const plain = fixed.map((name) => name.replace(/\?$/, ''));
  const bad = plain.find((name, index) => name === '' || name.startsWith('.') || plain.indexOf(name) !== index);
  if (bad !== undefined) {
    throw new ConfigurationError(
      `The option 'params' names '${bad}' wrongly or twice; write one name for each parameter, with ? behind an optional one: ['path', 'width?'].`,
    );
  }
  const firstOptional = fixed.findIndex((name) => name.endsWith('?'));
  return {
    params: plain,
    arity: { min: firstOptional === -1 ? fixed.length : firstOptional, max: rest ? Number.POSITIVE_INFINITY : fixed.length },
  };
}

/** From the text of a function; `bind` drops the first parameter, the context. */
export function readParameters(run: (...args: never[]) => unknown, bind: boolean): KnownParameters {
  const text = Function.prototype.toString.call(run);
  const list = parameterList(text);
  // A body that looks at `arguments` takes more than its list says.
  if (list === undefined || /\barguments\b/.test(text)) return UNKNOWN;
  const parts = split(list.text).map((part) => part.trim());
  if (parts.at(-1) === '') parts.pop();
  if (bind && parts[0]?.startsWith('...') !== true) parts.shift();
  const rest = parts.at(-1)?.startsWith('...') === true;
  if (rest) parts.pop();
  const names = parts.map((part) => /^[^=\s]+/.exec(part)?.[0] ?? '');
  const readable = !list.minified && names.every((name) => NAME.test(name));
  return { params: readable ? names : undefined, arity: { min: 0, max: rest ? Number.POSITIVE_INFINITY : parts.length } };
}

/** The text between the parentheses of the parameters, comments and texts blanked. */
function parameterList(source: string): { readonly text: string; readonly minified: boolean } | undefined {
  const single = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)(\s*)=>/u.exec(source);
  if (single?.[1] !== undefined) return { text: single[1], minified: single[2] === '' };
  const start = /^(?:async\s*)?(?:function\s*\*?\s*)?(?:\*\s*)?[\p{ID_Continue}$]*\s*\(/u.exec(source);
  if (start === null) return undefined;
  const rest = blank(source.slice(start[0].length));
  const end = closing(rest);
  if (end === -1) return undefined;
  const text = rest.slice(0, end);
  // Nobody writes `(a,b)=>{` by hand, and no formatter does; the names of minified code say nothing.
  const after = rest.slice(end + 1);
  return { text, minified: /,\S/.test(text) || /^(?:=>\S|\{)/.test(after) };
}

/** The same text with comments and the insides of texts replaced by spaces, so that brackets and commas count. */
function blank(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, (part) =>
    ' '.repeat(part.length),
  );
}

function closing(text: string): number {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const letter = text[index] ?? '';
    if ('([{'.includes(letter)) depth++;
    else if (')]}'.includes(letter) && depth-- === 0) return index;
  }
  return -1;
}

function split(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const letter of text) {
    if ('([{'.includes(letter)) depth++;
    else if (')]}'.includes(letter)) depth--;
    if (letter === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  return parts;
}
