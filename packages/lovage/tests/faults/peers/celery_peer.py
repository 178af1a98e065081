"""Celery under the same faults: a worker or a producer that keeps the ledger of the fault runs."""

import json
import os
import queue
import signal
import sys
import threading
import time

from celery import Celery

orders = json.loads(os.environ["FAULT_PEER"])
amqp = orders["brokerUrl"].startswith("amqp")
app = Celery("faults", broker=orders["brokerUrl"], backend=orders["resultUrl"])
app.conf.update(
    task_default_queue=orders["queue"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_heartbeat=orders["heartbeat"],
    broker_connection_timeout=4,
    broker_connection_max_retries=None,
    worker_redirect_stdouts=False,
    result_expires=3600,
    # A time-out of reads would end the idle line of a worker.
    broker_transport_options=(
        {"confirm_publish": True, **({"read_timeout": orders["publishTimeout"]} if orders["role"] == "producer" else {})}
        if amqp
        else {"visibility_timeout": orders["lease"], "socket_timeout": orders["publishTimeout"]}
    ),
)


def say(line):
    print(line, flush=True)


def note(file, lines):
    # One write a call, so that lines of several processes do not mix.
    handle = os.open(os.path.join(orders["folder"], file), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, ("\n".join(lines) + "\n").encode())
    os.close(handle)


def now():
    return int(time.time() * 1000)


def noted(self, ms):
    worker = f"{orders['name']}/{os.getpid()}"
    attempt = self.request.retries + 1
    note("runs.log", [f"start {self.request.id} {attempt} {worker} {now()}"])
    time.sleep(ms / 1000)
    note("runs.log", [f"end {self.request.id} {attempt} {worker} {now()}"])
    return {"attempt": attempt, "worker": worker, "time": now()}


# A process of a prefork pool has no event loop: to sleep blocks it as much as to compute.
for name in ("fault.work", "fault.block"):
    app.task(name=name, bind=True)(noted)


@app.task(name="fault.once", bind=True)
def once(self, ms):
    return noted(self, 10 if self.request.delivery_info.get("redelivered") else ms)


@app.task(name="fault.poison", bind=True)
def poison(self):
    note("runs.log", [f"start {self.request.id} 1 {orders['name']}/{os.getpid()} {now()}"])
    os.kill(os.getpid(), signal.SIGKILL)


def publish(task_id, load):
    while True:
        began = time.monotonic()
        try:
            app.send_task(load.get("task", "fault.work"), load.get("args", [5]), task_id=task_id, countdown=load.get("countdown"))
            note("published.log", [f"ok {task_id} {time.monotonic() - began:.3f} {now()}"])
            return
        except Exception as error:  # whatever it is, nobody knows whether the message is stored
            note("published.log", [f"maybe {task_id} {time.monotonic() - began:.3f} {now()}"])
            print(f"{task_id}: {error!r}", file=sys.stderr, flush=True)
            time.sleep(0.05)


def produce(loads):
    while True:
        load = loads.get()
        began = time.monotonic()
        for number in range(load["count"]):
            time.sleep(max(0, began + number / load["perSecond"] - time.monotonic()))
            task_id = f"{load['prefix']}-{number}"
            note("published.log", [f"try {task_id} 0 {now()}"])
            publish(task_id, load)
        say(f"produced {load['prefix']}")


if orders["role"] == "producer":
    loads = queue.Queue()
    threading.Thread(target=produce, args=(loads,), daemon=True).start()
    say("ready")
    for line in sys.stdin:
        loads.put(json.loads(line))
else:
    from celery.signals import worker_ready

    worker_ready.connect(lambda **_: say("ready"), weak=False)
    app.worker_main(["worker", "-P", "prefork", "-c", str(orders["concurrency"]), "-l", "INFO", "-n", f"{orders['name']}@faults"])
