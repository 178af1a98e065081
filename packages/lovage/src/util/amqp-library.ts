// Loads amqplib (an optional package) with the mended header codec. The copy is Lovage's own: a program's amqplib stays as it is.
// Called by amqp-client.ts on its first connection.
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { decodeFields, encodeTable } from './amqp-codec.ts';
import type { AmqpLibrary } from './amqp-types.ts';
import { ConfigurationError } from './errors.ts';

const require = createRequire(import.meta.url);
let loaded: AmqpLibrary | undefined;

function findLibrary(): string {
  try {
    return join(dirname(require.resolve('amqplib')), 'lib');
  } catch (error) {
    throw new ConfigurationError('RabbitMQ needs the package amqplib. Run: npm install amqplib@2', { cause: error });
  }
}

function requireFrom(folder: string): AmqpLibrary {
  // Before anything else of amqplib: its frame code copies the two functions out of this module while it loads.
  Object.assign(require(join(folder, 'codec.js')), { encodeTable, decodeFields });
  return {
    Connection: require(join(folder, 'connection.js')).Connection,
    ChannelModel: require(join(folder, 'channel_model.js')).ChannelModel,
    credentials: require(join(folder, 'credentials.js')),
    tuneOk: require(join(folder, 'defs.js')).ConnectionTuneOk,
    connectionClose: require(join(folder, 'defs.js')).ConnectionClose,
  };
}

function takeOut(folder: string): Map<string, NodeJS.Module> {
  const modules = Object.entries(require.cache).filter(([path]) => path.startsWith(folder + sep));
  for (const [path] of modules) delete require.cache[path];
  return new Map(modules as [string, NodeJS.Module][]);
}

function loadPrivately(folder: string): AmqpLibrary {
  const theirs = takeOut(folder);
  try {
    return requireFrom(folder);
  } catch (error) {
    throw new ConfigurationError(
      `The amqplib in ${dirname(folder)} is not one that Lovage knows. Run: npm install amqplib@2.3.1`,
      { cause: error },
    );
  } finally {
    takeOut(folder);
    for (const [path, module] of theirs) require.cache[path] = module;
  }
}

/** amqplib with headers that Python reads right. Throws ConfigurationError when it is not installed. */
export function amqpLibrary(): AmqpLibrary {
  loaded ??= loadPrivately(findLibrary());
  return loaded;
}
