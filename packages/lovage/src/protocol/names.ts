// Names that Celery and Lovage share on brokers and result stores.

/** Names may stand behind a prefix: `myapp` → `myapp_`, `myapp:` as it is. */
export function keyPrefix(prefix: string | undefined): string {
  if (prefix === undefined || prefix === '') return '';
  return /[:_\-.]$/.test(prefix) ? prefix : `${prefix}_`;
}

/** Where a task's result lies in a key-value store (the pub/sub channel of Redis has the same name). `prefix` comes from keyPrefix. */
export function resultKey(id: string, prefix = ''): string {
  return `${prefix}celery-task-meta-${id}`;
}

/** Where a group's members lie; `.s`, `.j` and `.t` behind it are the counters of its chord. */
export function groupKey(id: string, prefix = ''): string {
  return `${prefix}celery-taskset-meta-${id}`;
}

/** The producer in the header `origin`: `gen4242@host`. */
export function originName(pid: number, hostname: string): string {
  return `gen${pid}@${hostname}`;
}

/** The binding pattern that kombu stores on virtual transports, and matches by: `*` and `#` are looser there than in AMQP. */
export function topicPattern(bindingKey: string): string {
  const word = (part: string): string => {
    if (part === '*') return '.*?[^\\.]';
    if (part === '#') return '.*?';
    return part
      .replaceAll(/[\\^$+?()[\]{}|\-&~\s]/g, String.raw`\$&`)
      .replaceAll('*', '.*?[^\\.]')
      .replaceAll('#', '.*?');
  };
  return `^${bindingKey.split('.').map(word).join('\\.')}$`;
}

/** Does a routing key match a pattern that kombu stored? A pattern that is no regular expression matches nothing. */
export function topicMatches(pattern: string, routingKey: string): boolean {
  try {
    return new RegExp(pattern, 's').test(routingKey);
  } catch {
    return false;
  }
}
