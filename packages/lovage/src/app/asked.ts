// What a call was asked with, kept while the app gets ready (it reads its config files once): whoever changes an argument meanwhile, as a
// loop does that fills one array again and again, changes no message. From then on calls are written when they are made.
import type { Call } from '../task/index.ts';

/** What is nested deeper is refused by every serializer. */
const MAX_DEPTH = 600;

/** The same calls with arrays and plain objects of their own. */
export function asAsked(calls: readonly Call[]): readonly Call[] {
  return calls.map((call) => {
    try {
      const known = new Map<object, unknown>();
      return { ...call, args: copyOf(call.args, known, 0), kwargs: copyOf(call.kwargs, known, 0) };
    } catch {
      // A getter that throws: whoever writes the call says where.
      return call;
    }
  });
}

/** Whatever is no plain data (dates, bytes, instances of classes) stays what it is. */
function copyOf<T>(value: T, known: Map<object, unknown>, depth: number): T;
function copyOf(value: unknown, known: Map<object, unknown>, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  const before = known.get(value);
  if (before !== undefined) return before;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype) return value;
    const copy: unknown[] = [];
    known.set(value, copy);
    for (const item of value) copy.push(copyOf(item, known, depth + 1));
    return copy;
  }
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy: Record<string, unknown> = {};
  known.set(value, copy);
  for (const [name, item] of Object.entries(value)) {
    // Defined, not assigned: `__proto__` is a name like others.
    Object.defineProperty(copy, name, {
      value: copyOf(item, known, depth + 1),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return copy;
}
