// What a worker says of itself before it starts. People parse the `.>` lines, so those are Celery's.
import { release, type } from 'node:os';
import { redactUrl } from '../util/index.ts';

/** Everything the banner shows. */
export interface BannerFields {
  readonly node: string;
  readonly version: string;
  readonly appName: string;
  readonly brokerUrl: string;
  /** Undefined: results are not kept. */
  readonly backendUrl: string | undefined;
  readonly concurrency: number;
  readonly pool: string;
  readonly events: boolean;
  readonly queues: readonly {
    readonly name: string;
    readonly exchange: string;
    readonly exchangeType: string;
    readonly routingKey: string;
  }[];
  /** Shown when given. */
  readonly tasks?: readonly string[] | undefined;
  readonly now: Date;
}

const LEAF = [
  '        _ ',
  '      _( )_ ',
  '     (_ | _) ',
  '    (_ \\|/ _) ',
  '   (_  \\|/  _) ',
  '      \\ | / ',
  '       \\|/ ',
  '        | ',
  '        | ',
  '        | ',
];
const WIDTH = 18;

function clock(now: Date): string {
  const two = (part: number): string => String(part).padStart(2, '0');
  const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `${date} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
}

/** The banner's text, without colours. */
export function banner(fields: BannerFields): string {
  const { node, version, queues, tasks } = fields;
  const rows = [
    `${node} v${version} (lovage)`,
    '',
    `${type()}-${release()} node-${process.versions.node} ${clock(fields.now)}`,
    '',
    '[config]',
    `.> app:         ${fields.appName}`,
    `.> transport:   ${redactUrl(fields.brokerUrl)}`,
    `.> results:     ${fields.backendUrl === undefined ? 'disabled://' : redactUrl(fields.backendUrl)}`,
    `.> concurrency: ${fields.concurrency} (${fields.pool})`,
    `.> task events: ${fields.events ? 'ON' : 'OFF (enable -E to monitor tasks in this worker)'}`,
  ];
  const drawn = rows.map((row, index) => `${(LEAF[index] ?? '').padEnd(WIDTH)}${row}`.trimEnd());
  const listed = queues.map(
    ({ name, exchange, exchangeType, routingKey }) =>
      `${' '.repeat(WIDTH)}.> ${name.padEnd(16)} exchange=${exchange}(${exchangeType}) key=${routingKey}`,
  );
  const known = tasks === undefined ? [] : ['', '[tasks]', ...tasks.map((name) => `  . ${name}`)];
  return [...drawn, '', `${' '.repeat(WIDTH)}[queues]`, ...listed, ...known, ''].join('\n');
}
