// The version of this package, read from its own package.json so that it stands in one place.
import { readFileSync } from 'node:fs';

/** The version of Lovage. */
export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
