// Revokes at rest: what must not run, kept for workers that start later. A store keeps texts under a scope (the name of the control
// exchange, so that apps beside each other do not mix) and forgets them after their time.

/** One that is kept. */
export interface StoredRevoke {
  readonly text: string;
  /** Epoch seconds until which it counts. */
  readonly until: number;
}

/** Keeps revokes. Drivers see texts only. */
export interface RevokeStore {
  /** Adds them, or begins their time anew; of more than `max` in a scope the oldest go. */
  add(scope: string, texts: readonly string[], limits: { readonly expires: number; readonly max: number }): Promise<void>;
  /** All that still count, the oldest first. */
  load(scope: string): Promise<readonly StoredRevoke[]>;
}

/** A task by its id, or every task with a stamp. */
export type RevokeSubject = { readonly id: string } | { readonly stamp: { readonly header: string; readonly value: string } };

/** As it is kept. */
export function revokeText(subject: RevokeSubject): string {
  return JSON.stringify('id' in subject ? ['id', subject.id] : ['stamp', subject.stamp.header, subject.stamp.value]);
}

/** The other way round; undefined for what a later version may have written. */
export function parseRevoke(text: string): RevokeSubject | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.some((part) => typeof part !== 'string')) return undefined;
  const [kind, first, second] = parts as readonly string[];
  if (kind === 'id' && first !== undefined) return { id: first };
  if (kind === 'stamp' && first !== undefined && second !== undefined) return { stamp: { header: first, value: second } };
  return undefined;
}

/** What a command revokes; nothing for all others. */
export function revokesOf(method: string, args: Readonly<Record<string, unknown>>): readonly RevokeSubject[] {
  if (method === 'revoke' || method === 'terminate') {
    const { task_id: id } = args;
    return (Array.isArray(id) ? id : [id]).filter((one): one is string => typeof one === 'string').map((one) => ({ id: one }));
  }
  if (method !== 'revoke_by_stamped_headers') return [];
  const { headers } = args;
  if (Array.isArray(headers)) return headers.flatMap(stampOfWord);
  if (typeof headers !== 'object' || headers === null) return [];
  return Object.entries(headers).flatMap(([header, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => ({ stamp: { header, value: String(one) } })),
  );
}

/** `header=value`, as command lines send it. */
function stampOfWord(word: unknown): readonly RevokeSubject[] {
  const at = typeof word === 'string' ? word.indexOf('=') : -1;
  if (typeof word !== 'string' || at < 1) return [];
  return [{ stamp: { header: word.slice(0, at), value: word.slice(at + 1) } }];
}

/** Keeps them in this process: the memory store, and the documentation of what a store does. */
export function memoryRevokes(): RevokeStore {
  const scopes = new Map<string, Map<string, number>>();
  return {
    add: async (scope, texts, { expires, max }) => {
      const kept = scopes.get(scope) ?? new Map<string, number>();
      scopes.set(scope, kept);
      for (const text of texts) {
        kept.delete(text);
        kept.set(text, Date.now() / 1000 + expires);
      }
      for (const text of kept.keys()) {
        if (kept.size <= max) break;
        kept.delete(text);
      }
    },
    load: async (scope) => {
      const kept = [...(scopes.get(scope) ?? [])].map(([text, until]) => ({ text, until }));
      return kept.filter(({ until }) => until > Date.now() / 1000);
    },
  };
}
