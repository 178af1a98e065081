// No result backend: storing does nothing, reading says so.
import { BackendDisabledError } from '../util/index.ts';
import type { ResultBackend } from './seam.ts';

function refuse(): never {
  throw new BackendDisabledError(
    'No result backend is configured, so results can be neither read nor waited for. Set resultBackend (for example sqlite://, redis://host or rpc://).',
  );
}

/** Opens the backend that keeps nothing. */
export function open(): ResultBackend {
  return {
    name: 'disabled',
    url: 'disabled://',
    features: { persistent: false, fence: false, autoExpire: true, states: false },
    put: async () => [],
    get: async () => refuse(),
    // biome-ignore lint/correctness/useYield: an iterator that only refuses
    watch: async function* () {
      refuse();
    },
    forget: async () => refuse(),
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
