import { expect, test } from 'vitest';
import { createRouting, type RouteOptions } from '../../../src/app/router.ts';
import type { Routes } from '../../../src/app/settings.ts';

const route = (routes: Routes | null, name: string, args: readonly unknown[] = []): RouteOptions | undefined =>
  createRouting(routes).find(name, { args, kwargs: {}, options: {} });

test('exact names beat patterns, patterns count in their order', () => {
  const routes = { '*': 'rest', 'shop.*': 'shop', 'shop.pay': 'pay' };
  expect(route(routes, 'shop.pay')).toEqual({ queue: 'pay' });
  expect(route(routes, 'shop.list')).toEqual({ queue: 'rest' });
  expect(route({ 'shop.*': 'shop', '*': 'rest' }, 'shop.list')).toEqual({ queue: 'shop' });
});

test('a key without a star is a name, whatever else it contains', () => {
  expect(route({ 'a?': 'q' }, 'ab')).toBeUndefined();
  expect(route({ 'a?*': 'q' }, 'ab')).toEqual({ queue: 'q' });
});

test('a list of pairs may hold regular expressions, which match from the start only', () => {
  const routes: Routes = [[/shop\.(pay|refund)/g, { queue: 'money', priority: 9 }]];
  expect(route(routes, 'shop.pay.now')).toEqual({ queue: 'money', priority: 9 });
  expect(route(routes, 'my.shop.pay')).toBeUndefined();
});

test('several routers are asked in turn; the first with an opinion decides alone', () => {
  const routes: Routes = [
    (name, { args }) => (name === 'a' && args[0] === 'big' ? { queue: 'large' } : undefined),
    { a: { queue: 'table', routing_key: 'k' } as object },
    { routeForTask: () => 'last' },
  ];
  expect(route(routes, 'a', ['big'])).toEqual({ queue: 'large' });
  expect(route(routes, 'a')).toEqual({ queue: 'table', routingKey: 'k' });
  expect(route(routes, 'b')).toEqual({ queue: 'last' });
  expect(createRouting(routes).fixed).toBe(false);
});

test('an unknown option of a route is refused with a suggestion', () => {
  expect(() => createRouting({ a: { quueue: 'x' } as object })).toThrow(
    /Unknown option 'quueue' in the route of 'a'\. Did you mean 'queue'\?/,
  );
});

test('names like those of Object are ordinary names', () => {
  expect(route({ a: 'q' }, 'constructor')).toBeUndefined();
  expect(route({ a: 'q' }, '__proto__')).toBeUndefined();
});
