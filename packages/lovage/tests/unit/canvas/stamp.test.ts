// Stamps: which part of a canvas gets which, in which order a visitor is asked, what happens to those that are there already.
import { describe, expect, test } from 'vitest';
import { chain, chord, group } from '../../../src/index.ts';
import type { WireSignature } from '../../../src/protocol/index.ts';
import type { Stampable, Stamps, StampVisitor } from '../../../src/task/index.ts';
import { planned, project } from './support.ts';

const { app, add, mul, xsum, identity, onError } = project();

/** Names of the tasks and what they are stamped with, wherever they lie. */
function stampsOf(value: unknown): [string, unknown][] {
  const { task, options, kwargs, subtask_type: type } = value as WireSignature;
  const inner = [options.link, options.link_error, kwargs.tasks, kwargs.header, kwargs.body]
    .flat()
    .filter((part) => part != null);
  const names = (options.stamped_headers as string[] | undefined) ?? [];
  const own = Object.fromEntries(names.map((name) => [name, options[name]]));
  return [...(type === null ? [[task.replace('proj.', ''), own] as [string, unknown]] : []), ...inner.flatMap(stampsOf)];
}

test('travel in the headers of messages', () => {
  const [call] = planned(app, add.s(1, 2).stamp({ tenant: 'acme', tags: ['a', 'b'] })).calls;
  expect(call!.options).toMatchObject({ stampedHeaders: ['tenant', 'tags'], stamps: { tenant: 'acme', tags: ['a', 'b'] } });
});

test('reach every task of a canvas, its links and its body, and no container', () => {
  const canvas = chain(add.s(1, 2).link(identity.s()), chord([mul.s(2), mul.s(3)], xsum.s().linkError(onError.s()))).stamp({
    a: 1,
  });
  expect(stampsOf(canvas.toWire())).toEqual(
    ['add', 'identity', 'mul', 'mul', 'xsum', 'on_error'].map((name) => [name, { a: 1 }]),
  );
  expect(canvas.options.stamps).toBeUndefined();
});

describe('a visitor', () => {
  const canvas = () => chain(add.s(1, 2).link(identity.s()).linkError(onError.s()), chord([mul.s(2), mul.s(3)], xsum.s()));

  function recording(told: string[], give: Partial<Record<keyof StampVisitor, Stamps>> = {}): StampVisitor {
    const hook = (name: keyof StampVisitor) => (signature: Stampable) => {
      told.push(`${name.slice(2)} ${signature.task.replace('proj.', '')}`);
      return give[name];
    };
    const names = ['onGroupStart', 'onChainStart', 'onChordBody', 'onCallback', 'onErrback', 'onSignature'] as const;
    const ends = ['onGroupEnd', 'onChainEnd', 'onChordHeaderEnd'] as const;
    return Object.fromEntries([...names, ...ends].map((name) => [name, hook(name)])) as unknown as StampVisitor;
  }

  test('is asked in order: links before their task, starts before members, the header before the body', () => {
    const told: string[] = [];
    canvas().stamp(recording(told));
    expect(told).toEqual([
      'ChainStart celery.chain',
      'Callback identity',
      'Signature identity',
      'Errback on_error',
      'Signature on_error',
      'Signature add',
      'GroupStart celery.group',
      'Signature mul',
      'Signature mul',
      'GroupEnd celery.group',
      'ChordHeaderEnd celery.chord',
      'ChordBody celery.chord',
      'Signature xsum',
      'ChainEnd celery.chain',
    ]);
  });

  test('stamps the members with what it gives for their container', () => {
    const made = canvas().stamp(
      recording([], { onChainStart: { chain: 1 }, onGroupStart: { header: 2 }, onCallback: { called: 3 } }),
    );
    expect(stampsOf(made.toWire())).toEqual([
      ['add', { chain: 1 }],
      ['identity', { chain: 1, called: 3 }],
      ['on_error', { chain: 1 }],
      ['mul', { chain: 1, header: 2 }],
      ['mul', { chain: 1, header: 2 }],
      ['xsum', { chain: 1, header: 2 }],
    ]);
  });

  test('that names its stamps sets plain options with the rest', () => {
    const made = add.s(1, 2).stamp({ onSignature: () => ({ mon: 'x', priority: 5, stamped_headers: ['mon'] }) });
    expect(made.options).toMatchObject({ priority: 5, stamps: { mon: 'x' }, stampedHeaders: ['mon'] });
  });

  test('beats what comes from above', () => {
    const made = group(add.s(1, 2)).stamp({ onSignature: () => ({ a: 'own' }), onGroupStart: () => ({ a: 'group' }) });
    expect(stampsOf(made.toWire())).toEqual([['add', { a: 'own' }]]);
  });
});

describe('stamps that are there already', () => {
  const once = add.s(1, 2).stamp({ a: 1, deep: { x: 1 } });

  test('are replaced, mappings merged', () => {
    expect(once.stamp({ a: 2, deep: { y: 2 } }).options.stamps).toEqual({ a: 2, deep: { x: 1, y: 2 } });
  });

  test('are collected when that is asked for, the new first', () => {
    expect(once.stamp({ a: 2 }, { append: true }).options.stamps).toMatchObject({ a: [2, 1] });
  });

  test('stay what they are under the options of a call', () => {
    const { calls } = planned(app, once, { stamps: { a: 9, b: 3 }, stampedHeaders: ['a', 'b'] });
    expect(calls[0]!.options.stamps).toEqual({ a: 1, deep: { x: 1 }, b: 3 });
  });

  test('belong to the copy: the signature itself stays as it was', () => {
    const plain = add.s(1, 2);
    plain.stamp({ a: 1 });
    expect(plain.toWire().options).toEqual({});
  });
});
