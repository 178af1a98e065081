// Arguments of commands from outside, read leniently where Celery is lenient, and refused with its words where it is not.
import { pythonText, saferepr } from '../../protocol/index.ts';
import { nameFault } from '../../util/index.ts';
import { CommandError } from './seam.ts';

/** One text or a list of them. */
export function textsOf(value: unknown, name: string): readonly string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.some((item) => typeof item !== 'string'))
    throw new CommandError('TypeError', `'${name}' must be a text or a list of texts, not ${saferepr(value)}`);
  return list as readonly string[];
}

/** A text. */
export function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new CommandError('TypeError', `'${name}' must be a text, not ${saferepr(value)}`);
}

/** A text, or undefined for Python's None. */
export function maybeText(value: unknown, name: string): string | undefined {
  return value === undefined || value === null || value === '' ? undefined : textOf(value, name);
}

/** A name that every broker takes: one that it does not would be declared again, in vain, whenever the line comes back. */
export function nameOf(value: unknown, name: string): string {
  const text = textOf(value, name);
  const fault = nameFault(text);
  if (fault !== undefined) throw new CommandError('ValueError', `'${name}' ${fault}`);
  return text;
}

/** Such a name, or undefined for Python's None. */
export function maybeName(value: unknown, name: string): string | undefined {
  return maybeText(value, name) === undefined ? undefined : nameOf(value, name);
}

/** A whole number, also as a text, as command lines send it. */
export function wholeOf(value: unknown, name: string, otherwise: number): number {
  if (value === undefined || value === null) return otherwise;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number)) return number;
  throw new CommandError('ValueError', `invalid literal for int() with base 10: ${pythonText(String(value))} (${name})`);
}

/** Seconds, or undefined for none. */
export function secondsOf(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const number = Number(value);
  if (Number.isFinite(number) && number >= 0) return number === 0 ? undefined : number;
  throw new CommandError('ValueError', `could not convert string to float: ${pythonText(String(value))} (${name})`);
}
