// Which queues a message goes to, for brokers without exchanges of their own: direct, topic and fanout as Celery's virtual
// transports decide it. Pure; virtual.ts calls it, the Redis driver stores `topicPattern`'s text.
import type { StoredBinding } from './store.ts';

/**
 * The regular expression that Celery stores for a topic binding, letter for letter. It is not AMQP's rule (`*` takes several
 * words, `a.#` does not take `a`), but Python peers match by this text, so everybody must.
 */
export function topicPattern(bindingKey: string): string {
  const words = escapeRegex(bindingKey).split('.');
  return `^${words.map((word) => (word === '*' ? '.*?[^\\.]' : word === '#' ? '.*?' : word)).join('\\.')}$`;
}

/** Python's isalnum stays, as do the three characters with a meaning; all else is escaped. */
function escapeRegex(text: string): string {
  return text.replace(/[^\p{L}\p{N}.#*]/gu, (char) => (char === '\0' ? '\\000' : `\\${char}`));
}

/** Does a stored pattern take this routing key? Patterns that are no regular expression take nothing. */
export function matchesPattern(pattern: string, routingKey: string): boolean {
  let regex = compiled.get(pattern);
  if (regex === undefined) {
    regex = compile(pattern);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(pattern, regex);
  }
  return regex?.test(routingKey) ?? false;
}

const MAX_COMPILED = 10_000;
// A pure function's memory, not state.
const compiled = new Map<string, RegExp | null>();

function compile(pattern: string): RegExp | null {
  try {
    return new RegExp(pattern);
  } catch {
    return null;
  }
}

/** Does this binding take a message with this routing key? */
export function bindingTakes(binding: StoredBinding, routingKey: string): boolean {
  if (binding.type === 'fanout') return true;
  if (binding.type === 'direct') return binding.routingKey === routingKey;
  return matchesPattern(topicPattern(binding.routingKey), routingKey);
}

/** The queues of a routing key, each once, in the order of the bindings. */
export function routedQueues(bindings: readonly StoredBinding[], routingKey: string): readonly string[] {
  const queues = new Set<string>();
  for (const binding of bindings) if (bindingTakes(binding, routingKey)) queues.add(binding.queue);
  return [...queues];
}
