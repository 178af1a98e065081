// Settings for the eyes of people: passwords in URLs and values under telling keys are blotted out.
import { redactUrl } from '../util/index.ts';

const TELLING = /api|token|key|secret|pass|signature|database/i;
const BLOT = '********';

/** A copy of a value without its secrets. */
export function censor(value: unknown, secret = false): unknown {
  if (value === null || value === undefined) return value;
  if (secret) return BLOT;
  if (typeof value === 'string') return value.includes('://') ? redactUrl(value) : value;
  if (Array.isArray(value)) return value.map((item) => censor(item));
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, censor(item, isSecretKey(key, item))]));
}

/** Keys of queues and routes (routingKey) are no secrets; maps are looked into. */
function isSecretKey(key: string, value: unknown): boolean {
  return typeof value !== 'object' && TELLING.test(key) && !/routing_?key$/i.test(key);
}
