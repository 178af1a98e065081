import { arch, release, type } from 'node:os';
import { saferepr } from '../../../protocol/index.ts';
import { version } from '../../../util/index.ts';
import { type Command, ok } from '../seam.ts';

/** The frame of Celery's text, which people and programs know, filled with what is here. */
export const report: Command = {
  name: 'report',
  kind: 'inspect',
  help: 'Show versions, addresses and settings as a text for a bug report.',
  run: ({ port }) => {
    const { broker, results } = port.urls;
    const settings = Object.entries(port.conf(false)).map(([key, value]) => `${key}: ${saferepr(value)}`);
    return ok(
      [
        '',
        `software -> lovage:${version()} node:${process.versions.node}`,
        `platform -> system:${type()} arch:${arch()}`,
        `            kernel version:${release()} imp:V8 ${process.versions.v8}`,
        'loader   -> lovage',
        `settings -> transport:${broker.split(':')[0]} results:${results}`,
        '',
        ...settings,
        '',
      ].join('\n'),
    );
  },
};
