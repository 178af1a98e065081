// Typed handles of tasks whose code is elsewhere: in another TypeScript program, or in Python.
import { ConfigurationError, checkName } from '../util/index.ts';
import type { DeclareRemote } from './declare.ts';
import { createHandle, hostOf } from './host.ts';
import { checkTaskOptions, execOptions } from './option-names.ts';
import type { TaskOptions } from './options.ts';
import type { TaskPort } from './port.ts';

/** `app.remote` of an app. The options given are defaults of the handle's calls. */
export function declareRemote(port: TaskPort): DeclareRemote {
  const remote = (name: string, options: TaskOptions = {}): unknown => {
    if (typeof name !== 'string' || name === '')
      throw new ConfigurationError('A remote task needs the name that its worker knows; got an empty one.');
    checkName('The name of a task', name);
    checkTaskOptions(name, options);
    return createHandle(hostOf(port), name, options, undefined, execOptions(options));
  };
  return remote as DeclareRemote;
}
