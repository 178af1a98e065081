// A configuration file of Lovage's from settings, as a person would write it.
import { isRecord } from '../options.ts';
import type { Upgrade } from './settings.ts';

const quoted = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'").replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`;

const keyOf = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__' ? name : `[${quoted(name)}]`);

class Writer {
  /** What of `lovage` is used. */
  readonly imports = new Set<string>();

  value(value: unknown, indent: string): string {
    if (typeof value === 'string') return quoted(value);
    if (value instanceof Uint8Array) return `Uint8Array.of(${value.join(', ')})`;
    if (Array.isArray(value)) return this.#list(value as readonly unknown[], indent);
    if (isRecord(value)) return 'kind' in value ? this.#schedule(value) : this.#map(value, indent);
    return String(value);
  }

  /** Short lists and maps of plain values stand on one line. */
  #lines(open: string, parts: readonly string[], close: string, indent: string): string {
    const flat = parts.join(', ');
    const pad = open === '{' && parts.length > 0 ? ' ' : '';
    if (flat.length + indent.length < 90 && !flat.includes('\n')) return `${open}${pad}${flat}${pad}${close}`;
    return `${open}\n${parts.map((part) => `${indent}  ${part},\n`).join('')}${indent}${close}`;
  }

  #list(values: readonly unknown[], indent: string): string {
    return this.#lines(
      '[',
      values.map((value) => this.value(value, `${indent}  `)),
      ']',
      indent,
    );
  }

  #map(map: Readonly<Record<string, unknown>>, indent: string): string {
    const parts = Object.entries(map).map(([name, value]) => `${keyOf(name)}: ${this.value(value, `${indent}  `)}`);
    return this.#lines('{', parts, '}', indent);
  }

  #schedule({ kind, ...fields }: Readonly<Record<string, unknown>>): string {
    if (kind === 'crontab') {
      this.imports.add('crontab');
      const set = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '*'));
      return `crontab(${this.#map(set, '')})`;
    }
    if (kind === 'solar') {
      this.imports.add('solar');
      return `solar(${quoted(String(fields.event))}, ${String(fields.latitude)}, ${String(fields.longitude)})`;
    }
    if (fields.relative !== true) return String(fields.every);
    this.imports.add('every');
    return `every(${String(fields.every)}, { relative: true })`;
  }
}

const comment = (text: string): string => text.replaceAll(/[\r\n\u2028\u2029]+/g, ' ');

/** The text of the file. */
export function configFile({ carried, left, contradiction }: Upgrade, from: string): string {
  const writer = new Writer();
  const settings = carried.map(({ to, value }) => `  ${to}: ${writer.value(value, '  ')},\n`).join('');
  const notes = left.map(({ line, name, reason }) => `// ${from}:${line} ${comment(name)}: ${comment(reason)}.\n`);
  return [
    `// Settings of Lovage, made from ${comment(from)} by lovage upgrade settings.\n`,
    ...(notes.length === 0 ? [] : ['// Not carried over:\n', ...notes]),
    ...(contradiction === undefined ? [] : [`// To be put right: ${comment(contradiction)}\n`]),
    ...(writer.imports.size === 0 ? [] : [`import { ${[...writer.imports].sort().join(', ')} } from 'lovage';\n`]),
    `\nexport default {\n${settings}};\n`,
  ].join('');
}
