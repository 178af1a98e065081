// What a maintainer asks for first: versions, addresses and settings of an app as one text, without its secrets.
import { arch, platform, release } from 'node:os';
import { redactUrl, version } from '../util/index.ts';
import type { Config } from './config.ts';
import { brokerUrl, resultUrl } from './connections.ts';

/** The text of `app.bugReport()`. */
export function bugReport(name: string, config: Config): string {
  const { values } = config;
  const settings = Object.entries(config.table()).map(([key, value]) => `  ${key} = ${shown(value)}`);
  return [
    `lovage ${version()} · node ${process.versions.node} · ${platform()} ${release()} ${arch()}`,
    `app: ${name}`,
    `broker: ${redactUrl(brokerUrl(values, 'write'))}`,
    `results: ${redactUrl(resultUrl(values))}`,
    'settings that are not the default:',
    ...(settings.length === 0 ? ['  none'] : settings),
  ].join('\n');
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'function' || part instanceof RegExp ? String(part) : part,
  );
}
