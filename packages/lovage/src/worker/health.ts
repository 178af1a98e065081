// How a worker is: what the questions /livez and /readyz answer, and the figures of /metrics. All of it measures progress: what was heard,
// taken and renewed last, and how late the event loop is. The step `health` asks; nothing is measured when nobody wants to know.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { after, type Timer, version } from '../util/index.ts';
import type { WorkerHost } from './host.ts';

/** Seconds between two questions to the broker whether it is there, and how long one may take. */
const ASK_SECONDS = 5;
/** Without an answer for so long the worker is not ready. */
const BROKER_PATIENCE = 3 * ASK_SECONDS;
/** Without a renewal for so long, although something is held, the worker is not alive: others have what it holds. */
const LEASE_PATIENCE = 120;
/** Seconds that a worker may take beyond its shutdownTimeout to stop. */
const STOP_PATIENCE = 60;

/** Milliseconds between two looks at how late the event loop is. */
const RESOLUTION_MS = 20;

/** The answer to one question. */
export interface Verdict {
  readonly ok: boolean;
  /** Why not. */
  readonly reasons: readonly string[];
}

/** Seconds since something happened; undefined: it has not. */
export interface Ages {
  readonly lastMessage: number | undefined;
  readonly brokerAnswer: number | undefined;
  readonly leaseRenewal: number | undefined;
}

/** One worker's health. */
export interface Health extends Disposable {
  /** Shall this process go on? False: only a new one helps. */
  alive(): Verdict;
  /** Does it take tasks? */
  ready(): Verdict;
  ages(): Ages;
  /** In Prometheus' text format. */
  metrics(): string;
}

export interface HealthOptions {
  readonly host: WorkerHost;
  /** Seconds; null: a warm shutdown has no end. */
  readonly shutdownTimeout: number | null | undefined;
}

/** Starts measuring. */
export function watchHealth({ host, shutdownTimeout }: HealthOptions): Health {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const began = performance.now();
  let answered: number | undefined;
  let draining: number | undefined;
  let timer: Timer | undefined;
  let isOver = false;

  async function ask(): Promise<void> {
    try {
      await host.parts.app.broker.check(AbortSignal.timeout(ASK_SECONDS * 1000));
      answered = performance.now();
    } catch {
      // Its age tells.
    }
    if (!isOver) timer = after(ASK_SECONDS, () => void ask());
  }
  void ask();

  const since = (time: number | undefined): number | undefined =>
    time === undefined ? undefined : (performance.now() - time) / 1000;

  function ages(): Ages {
    const renewed = host.parts.app.broker.leaseRenewed?.();
    return {
      lastMessage: host.consumer?.silence,
      brokerAnswer: since(answered),
      leaseRenewal: renewed === undefined ? undefined : Math.max(0, (Date.now() - renewed) / 1000),
    };
  }

  function ready(): Verdict {
    const { consumer } = host;
    const reasons: string[] = [];
    if (consumer === undefined) reasons.push('the worker has not started yet');
    else if (consumer.draining) reasons.push('the worker stops');
    else if (consumer.state !== 'subscribed') reasons.push(`the line to the broker is ${consumer.state}`);
    const { brokerAnswer } = ages();
    if ((brokerAnswer ?? since(began) ?? 0) > BROKER_PATIENCE) {
      reasons.push(
        brokerAnswer === undefined
          ? 'the broker has not answered yet'
          : `the broker has not answered for ${Math.round(brokerAnswer)} s`,
      );
    }
    return { ok: reasons.length === 0, reasons };
  }

  function alive(): Verdict {
    const reasons: string[] = [];
    if (host.consumer?.draining === true) draining ??= performance.now();
    const stopping = since(draining);
    if (
      shutdownTimeout !== null &&
      shutdownTimeout !== undefined &&
      stopping !== undefined &&
      stopping > shutdownTimeout + STOP_PATIENCE
    ) {
      reasons.push(`the worker has been stopping for ${Math.round(stopping)} s`);
    }
    const { leaseRenewal } = ages();
    if (leaseRenewal !== undefined && leaseRenewal > LEASE_PATIENCE && host.consumer?.state === 'subscribed') {
      reasons.push(`the lease of what it holds was not renewed for ${Math.round(leaseRenewal)} s`);
    }
    return { ok: reasons.length === 0, reasons };
  }

  return {
    alive,
    ready,
    ages,
    metrics: () => metricsOf(host, { ages: ages(), delay, isReady: ready().ok }),
    [Symbol.dispose]: () => {
      isOver = true;
      timer?.cancel();
      delay.disable();
    },
  };
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number | undefined, labels?: Labels];

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/** One family of samples; nothing when there is no value. */
function family(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): readonly string[] {
  const lines = samples.flatMap(([value, labels = {}]) => {
    if (value === undefined || Number.isNaN(value)) return [];
    const inner = Object.entries(labels).map(([key, label]) => `${key}="${escaped(label)}"`);
    return [`${name}${inner.length === 0 ? '' : `{${inner.join(',')}}`} ${value}`];
  });
  return lines.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

interface Measured {
  readonly ages: Ages;
  readonly delay: ReturnType<typeof monitorEventLoopDelay>;
  readonly isReady: boolean;
}

function metricsOf(host: WorkerHost, { ages, delay, isReady }: Measured): string {
  const { consumer, pool } = host;
  const flow = consumer?.flow;
  const usage = process.resourceUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const node = { node: host.hostname };
  const each = (map: ReadonlyMap<string, number> | undefined, label: string): readonly Sample[] =>
    [...(map ?? [])].map(([key, value]): Sample => [value, { ...node, [label]: key }]);
  // Node measures from look to look: what is beyond the resolution is the delay.
  const late = (nanoseconds: number): number => (delay.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000));
  const lines = [
    ...family('lovage_worker_info', 'gauge', 'The worker.', [
      [1, { ...node, pool: pool?.name ?? host.poolName, version: version(), broker: host.parts.app.broker.name }],
    ]),
    ...family('lovage_worker_ready', 'gauge', '1 while the worker takes tasks.', [[isReady ? 1 : 0, node]]),
    ...family('lovage_worker_tasks_started_total', 'counter', 'Tasks that were started.', each(flow?.totals, 'task')),
    ...family('lovage_worker_tasks_ended_total', 'counter', 'Tasks that ended, by state.', each(flow?.ended, 'state')),
    ...family('lovage_worker_task_seconds_total', 'counter', 'Seconds that tasks ran, together.', [[flow?.seconds, node]]),
    ...family('lovage_worker_tasks_running', 'gauge', 'Tasks that run.', [[pool?.running, node]]),
    ...family('lovage_worker_tasks_in_hand', 'gauge', 'Tasks taken and not settled, those that run included.', [
      [flow?.requests.size, node],
    ]),
    ...family('lovage_worker_slots', 'gauge', 'Tasks that may run at once.', [[pool?.limit, node]]),
    ...family('lovage_worker_quarantined_task', 'gauge', 'Times in a row that a task in quarantine ended its process.', [
      ...(flow?.quarantined ?? []).map(({ task, deaths }): Sample => [deaths, { ...node, task }]),
    ]),
    ...family('lovage_worker_prefetch', 'gauge', 'Unsettled messages that the worker asks for.', [[flow?.prefetch, node]]),
    ...family('lovage_worker_connections_total', 'counter', 'Lines to the broker that were opened.', [
      [consumer?.connections, node],
    ]),
    ...family(
      'lovage_worker_last_message_age_seconds',
      'gauge',
      'Seconds since messages were taken last, or the line was opened.',
      [[ages.lastMessage, node]],
    ),
    ...family('lovage_worker_broker_answer_age_seconds', 'gauge', 'Seconds since the broker answered last.', [
      [ages.brokerAnswer, node],
    ]),
    ...family('lovage_worker_lease_renewal_age_seconds', 'gauge', 'Seconds since the lease of what is held was renewed.', [
      [ages.leaseRenewal, node],
    ]),
    ...family('lovage_worker_loop_delay_seconds', 'gauge', 'How late the event loop was since the last look.', [
      [late(delay.percentile(50)), { ...node, quantile: '0.5' }],
      [late(delay.percentile(99)), { ...node, quantile: '0.99' }],
      [late(delay.max), { ...node, quantile: '1' }],
    ]),
    ...family('process_cpu_seconds_total', 'counter', 'Processor time of the process.', [
      [(usage.userCPUTime + usage.systemCPUTime) / 1e6],
    ]),
    ...family('process_resident_memory_bytes', 'gauge', 'Memory of the process.', [[rss]]),
    ...family('process_start_time_seconds', 'gauge', 'When the process started, in epoch seconds.', [
      [Math.round(performance.timeOrigin) / 1000],
    ]),
    ...family('nodejs_heap_size_used_bytes', 'gauge', 'Memory of JavaScript objects.', [[heapUsed]]),
  ];
  delay.reset();
  return `${lines.join('\n')}\n`;
}
