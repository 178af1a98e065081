// How many slots each queue of a subscription gets where RabbitMQ counts per consumer (quorum queues, RabbitMQ 4).

export interface QueueDemand {
  readonly queue: string;
  /** Most messages of it held at once since the last sharing. */
  readonly peak: number;
  readonly share: number;
}

/**
 * Shares `limit` slots among queues: one that used less than its share keeps what it used (at least one slot, so that something
 * new is noticed), the others get the rest in equal parts.
 */
export function shareSlots(limit: number, demands: readonly QueueDemand[]): ReadonlyMap<string, number> {
  const isHungry = (demand: QueueDemand): boolean => demand.peak >= demand.share;
  const hungry = demands.filter(isHungry);
  const eaters = hungry.length > 0 ? hungry : demands;
  const kept = new Map(demands.filter((demand) => !eaters.includes(demand)).map(({ queue, peak }) => [queue, Math.max(1, peak)]));
  const left = limit - [...kept.values()].reduce((sum, share) => sum + share, 0);
  const each = Math.floor(left / eaters.length);
  const rest = left - each * eaters.length;
  return new Map([
    ...kept,
    ...eaters.map(({ queue }, index): [string, number] => [queue, Math.max(1, each + (index < rest ? 1 : 0))]),
  ]);
}
