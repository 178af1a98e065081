// `lovage graph workers`: brokers, workers, what runs in them, and the result store, as a picture. Its words are Celery's.
import type { Lovage } from '../../app/index.ts';
import { ConfigurationError, didYouMean, redactUrl } from '../../util/index.ts';
import { isRecord } from '../options.ts';
import { printable } from '../output.ts';
import { NOBODY } from './ask-workers.ts';

/** What the words of the command line say. */
export interface WorkersWish {
  /** Workers by name with their number of slots; none: the workers that answer are asked. */
  readonly workers: readonly Drawn[] | undefined;
  /** At most so many workers, and slots of each (8 unless it is said), are drawn one by one. */
  readonly wmax: number;
  readonly tmax: number;
  /** 'Worker 1' in place of names. */
  readonly generic: boolean;
  /** Slots have numbers in place of one word. */
  readonly enumerate: boolean;
  readonly broker: readonly string[];
  readonly backend: string | undefined;
}

interface Drawn {
  readonly name: string;
  readonly slots: number;
}

export interface Picture {
  readonly nodes: readonly {
    readonly id: string;
    readonly label: string;
    readonly kind: 'broker' | 'worker' | 'slot' | 'results';
  }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/** Slots of a worker that are drawn one by one unless tmax says more; fifty boxes that are alike tell nothing. */
const SLOTS_DRAWN = 8;
const FLAGS = ['generic', 'enumerate'] as const;
const OPTIONS = ['nodes', 'threads', 'wmax', 'tmax', 'backend', 'broker'] as const;

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || text.trim() === '')
    throw new ConfigurationError(`graph workers: ${name} takes whole numbers, such as ${name}:4, not '${text}'.`);
  return number;
}

/** Reads `nodes:a,b threads:2,3 wmax:4 tmax:3 generic enumerate backend:URL broker:URL`. Throws ConfigurationError. */
export function readWish(words: readonly string[]): WorkersWish {
  const given = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf(':');
    const name = at < 0 ? word : word.slice(0, at);
    const known: readonly string[] = at < 0 ? FLAGS : OPTIONS;
    if (!known.includes(name)) {
      const all = [...OPTIONS.map((option) => `${option}:…`), ...FLAGS];
      throw new ConfigurationError(
        `graph workers does not know '${word}'.${didYouMean(name, [...OPTIONS, ...FLAGS])} It takes ${all.join(', ')}.`,
      );
    }
    given.set(name, word.slice(at + 1));
  }
  const list = (name: string): readonly string[] => (given.get(name) ?? '').split(',').filter((part) => part !== '');
  const most = (name: string, otherwise: number): number =>
    given.has(name) ? wholeNumber(name, given.get(name) ?? '') : otherwise;
  const slots = list('threads').map((text) => wholeNumber('threads', text));
  const workers = list('nodes').map((name, index) => ({ name, slots: slots[index] ?? 0 }));
  if (slots.length > workers.length)
    throw new ConfigurationError(
      `graph workers: threads has ${slots.length} numbers for ${workers.length} nodes; nodes:a,b names them.`,
    );
  return {
    workers: workers.length === 0 ? undefined : workers,
    wmax: most('wmax', Number.POSITIVE_INFINITY),
    tmax: most('tmax', SLOTS_DRAWN),
    generic: given.has('generic'),
    enumerate: given.has('enumerate'),
    broker: list('broker'),
    backend: given.get('backend'),
  };
}

/** The workers that answer, and how many tasks each runs at once. Throws ConfigurationError if nobody does. */
export async function askWorkers(app: Lovage, timeout: number): Promise<readonly Drawn[]> {
  const replies = await app.control.ask('stats', {}, { timeout });
  if (replies.length === 0)
    throw new ConfigurationError(`${NOBODY}. Start a worker, or say which there are: graph workers nodes:a,b threads:2,3`);
  return replies
    .map(({ node, value }) => {
      const pool = isRecord(value) && isRecord(value.pool) ? value.pool['max-concurrency'] : undefined;
      return { name: node, slots: typeof pool === 'number' ? pool : 0 };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Brokers feed workers, workers run slots and store results. */
export function drawWorkers(wish: WorkersWish, workers: readonly Drawn[], broker: readonly string[], backend: string): Picture {
  const brokers = broker.map((url, index) => ({ id: `broker${index + 1}`, label: redactUrl(url), kind: 'broker' as const }));
  const results = { id: 'results', label: redactUrl(backend), kind: 'results' as const };
  const drawn = shortened(workers, wish.wmax).map(({ item, more }, index) => {
    const id = `worker${index + 1}`;
    const name = item === undefined ? `… ${more} more` : wish.generic ? `Worker ${index + 1}` : item.name;
    const each = Array.from({ length: item?.slots ?? 0 }, (_, slot) => slot + 1);
    const slots = shortened(each, wish.tmax).map((slot, place) => ({
      id: `${id}slot${place + 1}`,
      label: slot.item === undefined ? `… ${slot.more} more` : wish.enumerate ? `slot ${slot.item}` : 'slot',
      kind: 'slot' as const,
    }));
    return { node: { id, label: name, kind: 'worker' as const }, slots };
  });
  return {
    nodes: [...brokers, ...drawn.flatMap(({ node, slots }) => [node, ...slots]), results],
    edges: drawn.flatMap(({ node, slots }) => [
      ...brokers.map(({ id }) => ({ from: id, to: node.id })),
      ...slots.map(({ id }) => ({ from: node.id, to: id })),
      { from: node.id, to: results.id },
    ]),
  };
}

/** The first so many, and one that stands for the rest. */
function shortened<T>(items: readonly T[], most: number): readonly { readonly item?: T; readonly more: number }[] {
  const shown = items.slice(0, most).map((item) => ({ item, more: 0 }));
  return items.length > shown.length ? [...shown, { more: items.length - shown.length }] : shown;
}

const SHAPES = { broker: 'cylinder', worker: 'box', slot: 'ellipse', results: 'cylinder' } as const;

export function pictureLines({ nodes, edges }: Picture, format: 'text' | 'mermaid' | 'dot'): readonly string[] {
  if (format === 'dot') {
    const shapes = nodes.map(({ id, label, kind }) => `  ${id} [label=${JSON.stringify(label)}, shape="${SHAPES[kind]}"];`);
    return ['digraph workers {', ...shapes, ...edges.map(({ from, to }) => `  ${from} -> ${to};`), '}'];
  }
  if (format === 'mermaid') {
    const shapes = nodes.map(({ id, label }) => `  ${id}["${label.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"]`);
    return ['flowchart LR', ...shapes, ...edges.map(({ from, to }) => `  ${from} --> ${to}`)];
  }
  const labels = (kind: string): readonly string[] =>
    nodes.filter((node) => node.kind === kind).map(({ label }) => printable(label));
  const tree = nodes
    .filter(({ kind }) => kind === 'worker' || kind === 'slot')
    .map((node, index, all) => {
      if (node.kind === 'worker') return printable(node.label);
      const isLast = all[index + 1]?.kind !== 'slot';
      return `${isLast ? '└─' : '├─'} ${node.label}`;
    });
  return [`broker ${labels('broker').join(', ')}`, ...tree, `results ${labels('results').join(', ')}`];
}
