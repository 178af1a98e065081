"""Celery, synchronous as it is: the roles of the bench protocol, one JSON line for each answer."""

import hashlib
import json
import multiprocessing
import os
import sys
import threading
import time

from celery import Celery, chain, chord, group

role, options = sys.argv[1], json.loads(sys.argv[2])
count = options["count"]
results = options.get("results", False)
amqp = options["url"].startswith("amqp")
app = Celery("bench", broker=options["url"], backend=("rpc://" if amqp else options["url"]) if results else None)
app.conf.update(
    task_default_queue=options["queue"],
    task_ignore_result=not results,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    worker_redirect_stdouts=False,
    broker_transport_options={"confirm_publish": True} if amqp else {},
)
ARGUMENTS = ("order-000001", {"amount": 12.5, "currency": "EUR"})
# Shared with the children of the pool: runs, and the time of the first that counts; as many before it only warm up.
runs = multiprocessing.Value("q", 0)
first = multiprocessing.Value("d", 0.0)


def answer(**fields):
    print(json.dumps(fields), flush=True)


def cpu():
    own = os.times()
    children = 0.0
    for pid in [p.pid for p in multiprocessing.active_children()]:
        with open(f"/proc/{pid}/stat") as file:
            parts = file.read().rpartition(")")[2].split()
            children += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    return own.user + own.system + children


@app.task(name="bench.noop")
def noop(_id, _order):
    with runs.get_lock():
        if runs.value == count:
            first.value = time.monotonic()
        runs.value += 1
    return 1


@app.task(name="bench.hash")
def hashing(password):
    with runs.get_lock():
        if runs.value == count:
            first.value = time.monotonic()
        runs.value += 1
    # As hashing.ts has it.
    return hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", 30_000, 32).hex()


@app.task(name="bench.step")
def step(n):
    return n + 1


@app.task(name="bench.total")
def total(numbers):
    return sum(numbers)


def canvas(kind):
    if kind == "chain":
        return chain(step.s(0), *[step.s() for _ in range(99)])
    members = [step.s(0) for _ in range(1000)]
    return group(members) if kind == "group" else chord(members, total.s())


def watch():
    while runs.value < count:
        time.sleep(0.001)
    before = cpu()
    while runs.value < 2 * count:
        time.sleep(0.001)
    seconds = time.monotonic() - first.value
    answer(perSecond=count / seconds, cpuMicros=(cpu() - before) / count * 1e6)


def send():
    return hashing.delay("secret") if options.get("task") == "hash" else noop.delay(*ARGUMENTS)


if role == "enqueue":
    for _ in range(count // 4):
        send()
    start = time.monotonic()
    for _ in range(count):
        send()
    answer(perSecond=count / (time.monotonic() - start))
elif role == "worker":
    from celery.signals import worker_ready

    worker_ready.connect(lambda **_: answer(ready=True), weak=False)
    threading.Thread(target=watch, daemon=True).start()
    pool = options.get("settings", {}).get("pool", "prefork")
    app.worker_main(["worker", "-P", pool, "-c", "2", "-l", "ERROR"])
elif role == "get":
    for _ in range(count):
        noop.delay(*ARGUMENTS).get(timeout=10)
    taken = []
    start = time.monotonic()
    for _ in range(count):
        at = time.monotonic()
        noop.delay(*ARGUMENTS).get(timeout=10)
        taken.append((time.monotonic() - at) * 1e3)
    seconds = time.monotonic() - start
    taken.sort()
    quantile = lambda share: taken[min(count - 1, int(count * share))]
    answer(perSecond=count / seconds, p50=quantile(0.5), p95=quantile(0.95), p99=quantile(0.99))
elif role == "canvas":
    kind, taken = options["canvas"], []
    for turn in range(2 * count):
        at = time.monotonic()
        result = canvas(kind).apply_async().get(timeout=20)
        assert (len(result) == 1000) if kind == "group" else result == (100 if kind == "chain" else 1000), result
        if turn >= count:
            taken.append((time.monotonic() - at) * 1e3)
    answer(milliseconds=sorted(taken)[count // 2])
