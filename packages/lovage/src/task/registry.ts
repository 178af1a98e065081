// The tasks of one app by name.
import { AlreadyRegisteredError, didYouMean, NotRegisteredError } from '../util/index.ts';
import type { TaskRegistry } from './environment.ts';
import type { TaskDefinition } from './options.ts';

/** A registry with nothing in it. */
export class Registry implements TaskRegistry {
  readonly #tasks = new Map<string, TaskDefinition>();
  /** Found by name, but listed nowhere. */
  readonly #builtIn = new Map<string, TaskDefinition>();

  get size(): number {
    return this.#tasks.size;
  }

  find(name: string): TaskDefinition | undefined {
    return this.#tasks.get(name) ?? this.#builtIn.get(name);
  }

  get(name: string): TaskDefinition {
    const found = this.find(name);
    if (found === undefined) throw notRegistered(name, this.#tasks.keys());
    return found;
  }

  register(definition: TaskDefinition): void {
    if (this.#tasks.has(definition.name)) {
      throw new AlreadyRegisteredError(
        `There is already a task named '${definition.name}'. Give one of the two another name; if a module is loaded twice, import it by one path only.`,
      );
    }
    this.#tasks.set(definition.name, definition);
  }

  /** Adds a task that every app has. A task of the app's own may take its name. */
  addBuiltIn(definition: TaskDefinition): void {
    this.#builtIn.set(definition.name, definition);
  }

  /** The tasks that every app has. */
  get builtIns(): readonly TaskDefinition[] {
    return [...this.#builtIn.values()];
  }

  /** Forgets a task, so that another may have its name. */
  unregister(name: string): void {
    if (!this.#tasks.delete(name)) throw notRegistered(name, this.#tasks.keys());
  }

  [Symbol.iterator](): IterableIterator<TaskDefinition> {
    return this.#tasks.values();
  }
}

/** The error for a name that nobody registered. */
export function notRegistered(name: string, known: Iterable<string>): NotRegisteredError {
  return new NotRegisteredError(
    `No task named '${name}' is registered here.${didYouMean(name, known)} Import the module that declares it, or list the module in the setting 'imports'.`,
    { task: name },
  );
}
