// Commands to all workers of an app, as Celery's remote control sends them: one message to the fanout exchange `<control>.pidbox`.
// The result store revokes through it.
import type { Broker, Outgoing } from '../broker/index.ts';
import type { BroadcastCommand, Broadcaster } from '../result/index.ts';
import type { Serialization } from '../serialization/index.ts';
import { type Clock, ConfigurationError } from '../util/index.ts';
import type { Settings } from './settings.ts';

/** Seconds in which a command has to be confirmed by the broker. */
const CONFIRM = 30;

export interface BroadcasterHost {
  readonly settings: Settings;
  readonly serialization: Serialization;
  readonly clock: Clock;
  broker(): Promise<Broker>;
}

/** The broadcaster of an app. It opens nothing before the first command. */
export function createBroadcaster(host: BroadcasterHost): Broadcaster {
  // Celery's mailbox counts its own messages, apart from the app's logical clock.
  let count = 0;
  return {
    broadcast: async (command) => {
      if (command.reply) {
        throw new ConfigurationError(
          `The answers of workers to '${command.method}' cannot be collected by this version; send it without { wait: true }.`,
        );
      }
      const broker = await host.broker();
      const exchange = `${host.settings.controlExchange}.pidbox`;
      await broker.declare({ exchanges: [{ name: exchange, type: 'fanout', durable: false }], queues: [], bindings: [] });
      await broker.publish([messageOf(command, exchange, ++count, host)], { signal: limitOf(command) });
      return [];
    },
  };
}

function limitOf({ signal }: BroadcastCommand): AbortSignal {
  const limit = AbortSignal.timeout(CONFIRM * 1000);
  return signal === undefined ? limit : AbortSignal.any([signal, limit]);
}

function messageOf(command: BroadcastCommand, exchange: string, clock: number, host: BroadcasterHost): Outgoing {
  const { method, destination = null } = command;
  const request = { method, arguments: command.arguments, destination, pattern: null, matcher: null };
  const { body, contentType, contentEncoding } = host.serialization.encode(request, host.settings.taskSerializer);
  return {
    exchange,
    routingKey: '',
    headers: { clock, expires: host.clock.now() + command.timeout },
    properties: { contentType, contentEncoding, deliveryMode: 2, priority: 0 },
    body,
  };
}
