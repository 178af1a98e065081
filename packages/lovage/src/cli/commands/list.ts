// `lovage list`: the bindings of the broker: which exchange leads to which queue.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, string } from '@optique/core/valueparser';
import { brokerUrl, type Lovage, topologyOf } from '../../app/index.ts';
import type { BindingDeclaration, Broker } from '../../broker/index.ts';
import { parseAmqpUrl } from '../../util/amqp-url.ts';
import { BrokerConnectionError, ConfigurationError, reasonOf } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { table } from '../output.ts';
import { reachBroker } from './reach.ts';

/** Where RabbitMQ's management plugin listens when nobody says. */
const MANAGEMENT_PORT = 15_672;
const PATIENCE_MS = 10_000;

interface Row {
  readonly source: string;
  readonly destination: string;
  readonly destination_type: string;
  readonly routing_key: string;
}

/** RabbitMQ tells its bindings through the management plugin alone. */
async function fromManagement(url: string, management: string | undefined): Promise<readonly BindingDeclaration[]> {
  const [server] = parseAmqpUrl(url);
  if (server === undefined) throw new ConfigurationError('There is no broker URL to find the management plugin by.');
  const base = management ?? `http://${server.host.includes(':') ? `[${server.host}]` : server.host}:${MANAGEMENT_PORT}`;
  const login = Buffer.from(`${server.user}:${server.password}`).toString('base64');
  let answer: Response;
  try {
    answer = await fetch(new URL(`api/bindings/${encodeURIComponent(server.vhost)}`, `${base.replace(/\/$/, '')}/`), {
      headers: { authorization: `Basic ${login}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    throw new BrokerConnectionError(
      `RabbitMQ's management plugin at ${base} cannot be reached: ${reasonOf(error)}. Switch it on (rabbitmq-plugins enable rabbitmq_management), or name its address with --management`,
      { cause: error },
    );
  }
  if (!answer.ok) {
    throw new ConfigurationError(
      `RabbitMQ's management plugin at ${base} answered ${answer.status} ${answer.statusText}: the user '${server.user}' needs the tag 'monitoring'.`,
    );
  }
  const rows = (await answer.json()) as readonly Row[];
  return rows
    .filter((row) => row.destination_type === 'queue')
    .map((row) => ({ exchange: row.source, queue: row.destination, routingKey: row.routing_key }));
}

async function bindingsOf(app: Lovage, broker: Broker, management: string | undefined): Promise<readonly BindingDeclaration[]> {
  if (broker.bindings !== undefined) return broker.bindings();
  return fromManagement(brokerUrl(app.settings, 'read'), management);
}

const byName = (a: BindingDeclaration, b: BindingDeclaration): number =>
  a.queue.localeCompare(b.queue) || a.exchange.localeCompare(b.exchange) || a.routingKey.localeCompare(b.routingKey);

export const list: Command = defineCommand({
  name: 'list',
  summary: 'List the bindings of the broker: which exchange leads to which queue.',
  examples: ['lovage -A tasks.ts list bindings', 'lovage -A tasks.ts list bindings --declared'],
  parser: object({
    what: withDefault(argument(choice(['bindings']), { description: message`What to list.` }), 'bindings'),
    declared: option('--declared', { description: message`Only those that the app itself declares; asks no broker.` }),
    management: optional(
      option('--management', string({ metavar: 'URL' }), {
        description: message`RabbitMQ: address of its management plugin. Default: port 15672 of the broker.`,
      }),
    ),
  }),
  run: async ({ declared, management }, { loadApp, out }) => {
    const app = await loadApp();
    const topology = topologyOf(app.queueNames().map((name) => app.queues.get(name)));
    let found: readonly BindingDeclaration[] = topology.bindings;
    if (!declared) {
      const broker = await reachBroker(app, 'write');
      await broker.declare(topology);
      found = await bindingsOf(app, broker, management);
    }
    const rows = found.toSorted(byName);
    out.answer(
      rows.map(({ queue, exchange, routingKey }) => ({ queue, exchange, routingKey })),
      rows.length === 0
        ? ['No bindings: every queue is reached by its own name.']
        : table(
            ['queue', 'exchange', 'routing key'],
            rows.map(({ queue, exchange, routingKey }) => [queue, exchange === '' ? '(default)' : exchange, routingKey]),
          ),
    );
    return EXIT.ok;
  },
});
