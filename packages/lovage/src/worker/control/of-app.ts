// The port of remote control, made of a Lovage app.
import { celeryName, type Lovage, nodeTopology, replyExchange, resultUrl } from '../../app/index.ts';
import type { Broker } from '../../broker/index.ts';
import { controlNames } from '../../protocol/index.ts';
import { redactUrl, uuid } from '../../util/index.ts';
import type { ControlPort } from './port.ts';

/** A value that any JSON reader can show. */
function shown(value: unknown): unknown {
  if (typeof value === 'function' || value instanceof RegExp) return String(value);
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
}

/**
 * The node that the ear's queue is named after. Two workers of one name would share a queue, and each command would reach one of them only,
 * the question whether the name is free too; so where nothing is left behind, each has its own.
 */
function earOf(app: Lovage, broker: Broker, { hostname, mark }: { readonly hostname: string; readonly mark: string }): string {
  return broker.features.autoDelete && !app.settings.controlQueueDurable ? `${hostname}.${mark}` : hostname;
}

/** What commands ask of this app. */
export function controlPortOf(app: Lovage, broker: Broker, hostname: string): ControlPort {
  const mark = uuid().slice(0, 8);
  return {
    get settings() {
      return app.settings;
    },
    get names() {
      return controlNames(app.settings.controlExchange);
    },
    get ear() {
      const node = earOf(app, broker, { hostname, mark });
      const queue = controlNames(app.settings.controlExchange).nodeQueue(node);
      return { queue, requests: nodeTopology(node, app.settings), replies: replyExchange(app.settings) };
    },
    clock: app.clock,
    ask: (method, args, options) => app.control.ask(method, args, options),
    encode: (value) => app.serialization.encode(value, app.settings.taskSerializer),
    decode: ({ body, properties, headers }) => {
      const { contentType, contentEncoding } = properties;
      const compression = typeof headers.compression === 'string' ? headers.compression : undefined;
      const accept = app.serialization.accept(app.settings.acceptContent);
      return app.serialization.decode({ body, contentType, contentEncoding, compression }, accept);
    },
    custom: app.control.commands,
    conf: (withDefaults) =>
      Object.fromEntries(
        Object.entries(app.conf.table({ withDefaults })).map(([name, value]) => [celeryName(name) ?? name, shown(value)]),
      ),
    urls: { broker: broker.url, results: redactUrl(resultUrl(app.settings)) },
    tasks: (builtIns) => [...app.tasks, ...(builtIns ? app.tasks.builtIns : [])],
  };
}
