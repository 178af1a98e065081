// The live monitor: events in, pictures out, keys in between. It draws when something changed, five times a second at most, and once a
// second in any case, because silence is news too.
import type { Lovage } from '../../app/index.ts';
import { ClusterState } from '../../event/index.ts';
import { after, type Timer } from '../../util/index.ts';
import { type Action, filtered, type Lists, listsOf, type Model, press, START } from './model.ts';
import { draw, pageOf } from './screen.ts';
import { openScreen } from './terminal.ts';

/** Seconds between two pictures. */
const LEAST = 0.2;
const MOST = 1;

export interface MonitorOptions {
  readonly app: Lovage;
  readonly broker: string;
  readonly color: boolean;
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  /** Carries out what a key asked for; resolves to a line that says what came of it. */
  readonly act: (action: Exclude<Action, { readonly kind: 'quit' }>) => Promise<string>;
}

/** Runs until somebody quits. Rejects when events can never be heard. */
export async function runMonitor({ app, broker, color, input, output, act }: MonitorOptions): Promise<void> {
  const state = new ClusterState();
  const quit = new AbortController();
  let model: Model = START;
  /** All there was when the picture was told to stand still. */
  let frozen: Lists | undefined;
  let lists: Lists = listsOf(state, model);
  let line = 'connecting';
  let timer: Timer | undefined;
  let isUrgent = false;
  let drawn = 0;
  let rate = { at: performance.now(), count: 0, value: 0 };
  await using stream = app.events({
    signal: quit.signal,
    onState: (now, error) => {
      line = now === 'lost' ? `no connection: ${error instanceof Error ? error.message : String(error)}` : now;
      soon();
    },
  });
  using screen = openScreen(input, output, {
    key: (key) => {
      const page = pageOf({ ...size(), color });
      const { model: next, action } = press(model, key, { state, page, lists });
      if (next.paused !== model.paused) frozen = next.paused ? listsOf(state, { filter: '' }) : undefined;
      model = next;
      if (action?.kind === 'quit') quit.abort();
      else if (action !== undefined) void carryOut(action);
      paint();
    },
    resized: () => paint(),
    ended: () => quit.abort(),
  });
  const size = (): { columns: number; rows: number } => ({ columns: screen.columns, rows: screen.rows });

  function paint(): void {
    timer?.cancel();
    isUrgent = false;
    const now = performance.now();
    if (now - rate.at >= 1000) {
      const value = Math.round(((state.eventCount - rate.count) * 1000) / (now - rate.at));
      rate = { at: now, count: state.eventCount, value };
    }
    drawn = now;
    lists = frozen === undefined ? listsOf(state, model) : filtered(frozen, model.filter);
    screen.show(draw(model, state, { app: app.name, broker, line, rate: rate.value }, { ...size(), color }, lists));
    if (!quit.signal.aborted) timer = after(MOST, paint, { ref: true });
  }

  function soon(): void {
    if (isUrgent || drawn === 0 || quit.signal.aborted) return;
    isUrgent = true;
    timer?.cancel();
    timer = after(Math.max(0, LEAST - (performance.now() - drawn) / 1000), paint, { ref: true });
  }

  async function carryOut(action: Exclude<Action, { readonly kind: 'quit' }>): Promise<void> {
    const say = (message: string): void => {
      model = { ...model, message };
      paint();
    };
    say('…');
    say(await act(action).catch((error: unknown) => (error instanceof Error ? error.message : String(error))));
  }

  paint();
  try {
    for (let batch = await stream.batch(); batch !== undefined; batch = await stream.batch()) {
      for (const event of batch) state.add(event);
      soon();
    }
  } finally {
    timer?.cancel();
  }
}
