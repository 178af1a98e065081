// Node names: `celery@host` by default, so that Celery's tools find Lovage's workers; `-n` may expand parts of the host's name.
import { hostname } from 'node:os';
import { ConfigurationError, checkName } from '../util/index.ts';

const DEFAULT_NAME = 'celery';

/** `%h` the host, `%n` its first label, `%d` the rest, `%%` a percent. Throws ConfigurationError for another letter. */
function expand(format: string, host: string): string {
  const dot = host.indexOf('.');
  const parts: Readonly<Record<string, string>> = {
    h: host,
    n: dot < 0 ? host : host.slice(0, dot),
    d: dot < 0 ? '' : host.slice(dot + 1),
    '%': '%',
  };
  return format.replaceAll(/%(.)/g, (_, letter: string) => {
    const part = Object.hasOwn(parts, letter) ? parts[letter] : undefined;
    if (part !== undefined) return part;
    throw new ConfigurationError(
      `The node name '${format}' has the unknown part '%${letter}'; known are %h (host), %n (its first label), %d (the rest) and %% (a percent sign).`,
    );
  });
}

/** The whole node name. A value without `@` is a host, as it is for Celery. */
export function nodeName(format?: string, host: string = hostname()): string {
  if (format === undefined || format === '') return `${DEFAULT_NAME}@${host}`;
  const expanded = expand(format, host);
  checkName('The node name', expanded);
  // Files of workers are called after them.
  if (/[/\\]/.test(expanded))
    throw new ConfigurationError(
      `The node name '${expanded}' holds a slash; it is part of the names of files, such as pid files.`,
    );
  return expanded.includes('@') ? expanded : `${DEFAULT_NAME}@${expanded}`;
}

/** Which worker a log, pid or state file belongs to: here `%n` is the part before `@`, `%p` the whole name, `%i` and `%I` the slot. */
export function nodeFormat(format: string, node: string, slot = 0): string {
  const at = node.indexOf('@');
  const name = at < 0 ? DEFAULT_NAME : node.slice(0, at);
  const host = at < 0 ? node : node.slice(at + 1);
  const parts: Readonly<Record<string, string>> = {
    p: node,
    n: name,
    h: host,
    d: host.split('.').slice(1).join('.'),
    i: String(slot),
    I: slot === 0 ? '' : `-${slot}`,
    '%': '%',
  };
  return format.replaceAll(/%(.)/g, (_, letter: string) => {
    const part = Object.hasOwn(parts, letter) ? parts[letter] : undefined;
    if (part !== undefined) return part;
    throw new ConfigurationError(
      `The file name '${format}' has the unknown part '%${letter}'; known are %p, %n, %h, %d, %i, %I and %%.`,
    );
  });
}
