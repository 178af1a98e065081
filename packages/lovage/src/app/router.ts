// Which task goes where: the setting taskRoutes, compiled once for each state of the settings. Called by the producer.
import { EXEC_RULES, type ExecOptions, wrongValue } from '../task/index.ts';
import { ConfigurationError, camelCase, didYouMean, globMatch } from '../util/index.ts';
import type { Route, RouteFunction, RouteQuestion, Router, Routes } from './settings.ts';

/** Options that a route gives to a task; the caller's and the task's own win over them. */
export type RouteOptions = Readonly<ExecOptions>;

type Ask = (name: string, question: RouteQuestion) => RouteOptions | undefined;

/** The routers of an app. */
export interface Routing {
  /** Asks the routers in turn; the first with an opinion decides alone. */
  find(name: string, question: RouteQuestion): RouteOptions | undefined;
  /** Whether the answer depends on the name alone. */
  readonly fixed: boolean;
}

/** Answers of tables are remembered by task name; names come from callers, so the memory is bounded. */
const REMEMBERED = 1000;

/** The setting taskRoutes, ready to be asked. */
export function createRouting(routes: Routes | null): Routing {
  if (routes === null) return { find: () => undefined, fixed: true };
  const routers = listOf(routes);
  const asks = routers.map(compile);
  const find: Ask = (name, question) => {
    for (const ask of asks) {
      const found = ask(name, question);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return { find, fixed: routers.every((router) => askOf(router) === undefined) };
}

function isPairs(value: Router | readonly Router[]): value is readonly (readonly [string | RegExp, Route])[] {
  return (
    Array.isArray(value) &&
    value.every((item) => Array.isArray(item) && item.length === 2 && (typeof item[0] === 'string' || item[0] instanceof RegExp))
  );
}

function listOf(routes: Routes): readonly Router[] {
  if (!Array.isArray(routes) || isPairs(routes)) return [routes as Router];
  return routes as readonly Router[];
}

/** The function of a router that decides by itself. */
function askOf(router: Router): RouteFunction | undefined {
  if (typeof router === 'function') return router;
  const object = router as { routeForTask?: unknown };
  if (typeof object.routeForTask !== 'function') return undefined;
  return (name, question) => (router as { routeForTask: RouteFunction }).routeForTask(name, question);
}

function compile(router: Router): Ask {
  const ask = askOf(router);
  if (ask !== undefined) return asking(ask);
  return table(isPairs(router) ? router : Object.entries(router as Readonly<Record<string, Route>>));
}

function asking(ask: RouteFunction): Ask {
  return (name, question) => {
    const answer = ask(name, question);
    return answer === undefined || answer === null ? undefined : optionsOf(answer, `the route of '${name}'`);
  };
}

/** Exact names first, then patterns in the order in which they stand. */
function table(pairs: readonly (readonly [pattern: string | RegExp, route: Route])[]): Ask {
  const exact = new Map<string, RouteOptions>();
  const patterns: (readonly [matches: (name: string) => boolean, options: RouteOptions])[] = [];
  for (const [pattern, route] of pairs) {
    const options = optionsOf(route, `the route of '${String(pattern)}'`);
    if (typeof pattern !== 'string') patterns.push([startsWith(pattern), options]);
    else if (pattern.includes('*')) patterns.push([(name) => globMatch(pattern, name), options]);
    else if (!exact.has(pattern)) exact.set(pattern, options);
  }
  const remembered = new Map<string, RouteOptions | undefined>();
  return (name) => {
    const found = exact.get(name);
    if (found !== undefined || patterns.length === 0) return found;
    if (remembered.has(name)) return remembered.get(name);
    const options = patterns.find(([matches]) => matches(name))?.[1];
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(name, options);
    return options;
  };
}

/** A regular expression matches from the start of the name and need not reach its end, as Python's `re.match`. */
function startsWith(pattern: RegExp): (name: string) => boolean {
  const sticky = new RegExp(pattern.source, `${pattern.flags.replaceAll(/[gy]/g, '')}y`);
  return (name) => {
    sticky.lastIndex = 0;
    return sticky.test(name);
  };
}

/** A route with canonical names; Celery's `routing_key` is read as `routingKey`. */
function optionsOf(route: Route, where: string): RouteOptions {
  if (typeof route === 'string') return { queue: route };
  const options: Record<string, unknown> = {};
  for (const [given, value] of Object.entries(route)) {
    const key = camelCase(given);
    if (!Object.hasOwn(EXEC_RULES, key)) {
      throw new ConfigurationError(`Unknown option '${given}' in ${where}.${didYouMean(given, Object.keys(EXEC_RULES))}`);
    }
    if (value !== undefined && value !== null) options[key] = value;
  }
  const wrong = wrongValue(options, EXEC_RULES);
  if (wrong !== undefined) throw new ConfigurationError(`A wrong option in ${where}: ${wrong}.`);
  return options;
}
