"""A Python Celery client that does what it is told: one JSON line in (`{"n": 1, "code": "…"}`), one JSON line out."""
import datetime
import decimal
import json
import os
import sys
import time
import uuid
from traceback import format_exc

from celery import signature, states
from celery.result import AsyncResult
from peer import app


def send(name, *args, **options):
    kwargs = options.pop('kwargs', None)
    return app.send_task(name, args, kwargs, **options)


def call(name, *args, **options):
    wait = options.pop('wait', 30)
    return send(name, *args, **options).get(timeout=wait)


def failure(name, *args, **options):
    """The error that get() raises, as [type, module, args]."""
    try:
        send(name, *args, **options).get(timeout=30)
    except Exception as error:
        return [type(error).__name__, type(error).__module__, [str(part) for part in error.args]]
    return None


def until(check, seconds=20):
    limit = time.time() + seconds
    while time.time() < limit:
        value = check()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError('nothing came of it')


def read(path):
    return until(lambda: os.path.exists(path) and open(path).read())


scope = dict(globals())
for line in sys.stdin:
    command = json.loads(line)
    try:
        lines = command['code'].strip().split('\n')
        exec('\n'.join(lines[:-1]), scope)
        value = eval(lines[-1], scope)
        answer = {'value': json.loads(json.dumps(value, default=repr)), 'repr': repr(value)}
    except Exception:
        answer = {'error': format_exc()}
    answer['n'] = command['n']
    sys.stdout.write(json.dumps(answer) + '\n')
    sys.stdout.flush()
