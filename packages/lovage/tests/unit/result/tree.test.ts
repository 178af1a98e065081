// Walking down from a result to what its task sent, and drawing that.
import { describe, expect, it } from 'vitest';
import { type AnyResult, eagerResult, pendingRecord } from '../../../src/result/index.ts';
import { IncompleteStreamError } from '../../../src/util/index.ts';
import { type World, world } from './support.ts';

/** `a` sent `b` and the group `g` of `x` and `y`; `b` sent `c`. */
async function tree({ write }: World): Promise<void> {
  const group = { id: 'g', members: [{ id: 'x' }, { id: 'y' }] };
  await write('a', 'SUCCESS', 1, { children: [{ id: 'b' }, group] });
  await write('b', 'SUCCESS', 2, { children: [{ id: 'c' }, { id: 'a' }] });
  await write('x', 'SUCCESS', 10);
  await write('y', 'SUCCESS', 20);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const edges = (pairs: readonly (readonly [AnyResult | undefined, AnyResult])[]): string[] =>
  pairs.map(([parent, result]) => `${parent?.id ?? ''}>${result.id}`);

describe('iterdeps', () => {
  it('goes breadth first, each result once, with the one that sent it', async () => {
    const one = world();
    await tree(one);
    await one.succeed('c', 3);
    expect(edges(await all(one.store.result('a').iterdeps()))).toEqual(['>a', 'a>b', 'a>g', 'b>c', 'g>x', 'g>y']);
  });

  it('stops at one that is not ready, and with intermediate goes around it', async () => {
    const one = world();
    await tree(one);
    const seen: string[] = [];
    const walk = (async () => {
      for await (const [, result] of one.store.result('a').iterdeps()) seen.push(result.id);
    })();
    await expect(walk).rejects.toBeInstanceOf(IncompleteStreamError);
    expect(seen).toEqual(['a', 'b', 'g', 'c']);
    const around = await all(one.store.result('a').iterdeps({ intermediate: true }));
    expect(edges(around)).toEqual(['>a', 'a>b', 'a>g', 'b>c', 'g>x', 'g>y']);
  });

  it('reads a level in one call', async () => {
    const { store, write, calls } = world();
    const names = Array.from({ length: 100 }, (_, index) => `m${index}`);
    await write('root', 'SUCCESS', 1, { children: names.map((id) => ({ id })) });
    for (const id of names) await write(id, 'SUCCESS', id);
    await all(store.result('root').iterdeps());
    expect(calls).toEqual([
      ['get', ['root']],
      ['get', names],
    ]);
  });
});

describe('collect', () => {
  it('waits for each result and gives it with its value', async () => {
    const one = world();
    await tree(one);
    const pairs: [string, unknown][] = [];
    for await (const [result, value] of one.store.result('a').collect({ timeout: 10 })) {
      pairs.push([result.id, value]);
      if (result.id === 'g') await one.succeed('c', 3);
    }
    expect(pairs).toEqual([
      ['a', 1],
      ['b', 2],
      ['g', [10, 20]],
      ['c', 3],
      ['x', 10],
      ['y', 20],
    ]);
  });

  it('throws the error of one that failed, unless that is wanted as its value', async () => {
    const { store, write, fail } = world();
    await write('a', 'SUCCESS', 1, { children: [{ id: 'b' }] });
    await fail('b', 'no');
    await expect(all(store.result('a').collect())).rejects.toThrow('no');
    const [, second] = await all(store.result('a').collect({ propagate: false }));
    expect(second?.[1]).toMatchObject({ message: 'no' });
  });

  it('getLeaf gives the value of the last', async () => {
    const one = world();
    await tree(one);
    const leaf = one.store.result('a').getLeaf();
    await one.succeed('c', 3);
    expect(await leaf).toBe(20);
  });
});

describe('buildGraph', () => {
  it('has a node for each result with its state, and an edge from each to what it sent', async () => {
    const one = world();
    await tree(one);
    await one.write('c', 'PROGRESS', { at: 1 });
    const graph = await one.store.result('a').buildGraph({ intermediate: true });
    expect(graph.edges).toEqual([
      ['a', 'b'],
      ['a', 'g'],
      ['b', 'c'],
      ['g', 'x'],
      ['g', 'y'],
    ]);
    expect(graph.nodes.map(({ id, kind, state }) => [id, kind, state])).toEqual([
      ['a', 'task', 'SUCCESS'],
      ['b', 'task', 'SUCCESS'],
      ['g', 'group', 'SUCCESS'],
      ['c', 'task', 'PROGRESS'],
      ['x', 'task', 'SUCCESS'],
      ['y', 'task', 'SUCCESS'],
    ]);
    await expect(one.store.result('a').buildGraph()).rejects.toBeInstanceOf(IncompleteStreamError);
  });

  it('is drawn for Graphviz and for Mermaid, whatever its names contain', async () => {
    const { store, write } = world();
    await write('a"1', 'SUCCESS', 1, { children: [{ id: 'b' }], name: 'shop.<add>' });
    await write('b', 'FAILURE', new TypeError('no'));
    const graph = await store.result('a"1').buildGraph();
    expect(graph.toDot()).toBe(
      [
        'digraph dependencies {',
        String.raw`  "a\"1" [label="shop.<add>\na\"1\nSUCCESS", shape=ellipse, style=filled, fillcolor=palegreen3];`,
        String.raw`  "b" [label="task\nb\nFAILURE", shape=ellipse, style=filled, fillcolor=indianred1];`,
        String.raw`  "a\"1" -> "b";`,
        '}',
        '',
      ].join('\n'),
    );
    expect(graph.toMermaid()).toBe(
      ['flowchart TD', '  n0("shop.#60;add#62;<br>a#34;1<br>SUCCESS")', '  n1("task<br>b<br>FAILURE")', '  n0 --> n1', ''].join(
        '\n',
      ),
    );
  });
});

describe('a result that ran in place', () => {
  it('follows to what it sent', async () => {
    const { store, succeed } = world();
    const record = { ...pendingRecord('e'), state: 'SUCCESS', value: 1, children: [{ id: 'sent' }] };
    const eager = eagerResult(record, { results: store });
    await succeed('sent', 'by it');
    expect((await all(eager.collect())).map(([{ id }, value]) => [id, value])).toEqual([
      ['e', 1],
      ['sent', 'by it'],
    ]);
  });

  it('says REVOKED once it was revoked', async () => {
    const eager = eagerResult({ ...pendingRecord('e'), state: 'SUCCESS', value: 1 });
    await eager.revoke();
    expect(await eager.state()).toBe('REVOKED');
    await expect(eager.get()).rejects.toMatchObject({ code: 'LOVAGE_TASK_REVOKED' });
  });
});
