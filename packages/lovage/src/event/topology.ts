// Where events go: the exchange and the queues of monitors, declared exactly as Celery's programs declare them.
import type { BrokerFeatures, ExchangeDeclaration, QueueDeclaration, Topology } from '../broker/index.ts';

/** The settings that name and limit the queues of monitors. */
export interface MonitorSettings {
  readonly eventExchange: string;
  readonly eventQueuePrefix: string;
  /** Seconds; null: none. */
  readonly eventQueueTtl: number | null;
  readonly eventQueueExpires: number | null;
  readonly eventQueueExclusive: boolean;
  readonly eventQueueDurable: boolean;
}

/** The exchange. Its type depends on the broker. */
export function eventExchange(name: string, { eventExchange: type }: Pick<BrokerFeatures, 'eventExchange'>): ExchangeDeclaration {
  return { name, type, durable: true };
}

/** A monitor's own queue. */
export interface MonitorQueue {
  /** Unique part of the name. */
  readonly id: string;
  /** Of the events that it takes: `#` for all, `worker.#`. */
  readonly routingKey: string;
  /** Seconds, in place of eventQueueTtl. */
  readonly ttl?: number;
  /** Most events that wait in it. RabbitMQ's monitors have none, and drop by age; Celery's declaration is kept there to the letter. */
  readonly maxLength?: number;
}

const millis = (seconds: number | null): number | undefined =>
  seconds === null || seconds <= 0 ? undefined : Math.round(seconds * 1000);

/** Exchange, queue and binding of a monitor. */
export function monitorTopology(
  { id, routingKey, ttl, maxLength }: MonitorQueue,
  settings: MonitorSettings,
  features: Pick<BrokerFeatures, 'eventExchange'>,
): Topology & { readonly name: string } {
  const name = `${settings.eventQueuePrefix}.${id}`;
  const [expires, messageTtl] = [millis(settings.eventQueueExpires), millis(ttl ?? settings.eventQueueTtl)];
  const queue: QueueDeclaration = {
    name,
    durable: settings.eventQueueDurable,
    exclusive: settings.eventQueueExclusive,
    autoDelete: !settings.eventQueueDurable,
    arguments: {
      ...(expires === undefined ? {} : { 'x-expires': expires }),
      ...(messageTtl === undefined ? {} : { 'x-message-ttl': messageTtl }),
      ...(maxLength === undefined ? {} : { 'x-max-length': maxLength }),
    },
  };
  return {
    name,
    exchanges: [eventExchange(settings.eventExchange, features)],
    queues: [queue],
    bindings: [{ queue: name, exchange: settings.eventExchange, routingKey }],
  };
}
