"""Scenarios of canvases that a Celery client makes for Lovage workers: what each gives, who its parents are, how it fails, whom its errbacks
are told of, and what comes of a task that is replaced wherever it stands. R is the result of a canvas, `.p` what is before it, `[n]` a member."""
import json
import os
import re
import time
import uuid

from celery import chain, chord, group, signature
from celery.canvas import Signature, chunks, xmap, xstarmap
from celery.result import AsyncResult, GroupResult
from peer import app

# Operators make signatures of the app that is current.
app.set_default()
app.set_current()

JS = os.environ['INTEROP_QUEUES'].split(',')[0]
READY = ('SUCCESS', 'FAILURE', 'REVOKED')
UUID = re.compile('[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


def task(name):
    return lambda *args, **kwargs: signature('js.' + name, args=args, kwargs=kwargs, app=app).set(queue=JS)


def immutable(name):
    return lambda *args: task(name)(*args).set(immutable=True)


(add, add_replaced, add_to_all, chord_add, fail, ids, idsf, ignore, kw, nobody, none, place, reject, retry_fail, retry_once, same, stamps, sum_,
 swap) = map(task, '''add add_replaced add_to_all chord_add fail ids idsf ignore kw nobody none place reject retry_fail retry_once same stamps sum
 swap'''.split())
add_si, ids_si = immutable('add'), immutable('ids')


def wire(canvas):
    return json.loads(json.dumps(canvas))


def st(sig, **stamps):
    """Stamps as newer clients write them."""
    return sig.set(stamped_headers=list(stamps), **stamps)


def deepchain(n):
    return add(1) if n == 0 else chain(add(1), deepchain(n - 1))


def deepgroup(n):
    return add(1, 1) if n == 0 else group(deepgroup(n - 1), add(n, n))


# What a canvas gives.
VALUES = (
    ('chain', lambda: add(4, 4) | add(8) | add(16), 32),
    ('chain of one', lambda: chain(add(1, 2)), 3),
    ('chain kwargs', lambda: add(x=1, y=2) | add(y=3), 6),
    ('chain partial', lambda: add(1) | add(2), 8, dict(args=(5,))),
    ('chain partial kw', lambda: add(1) | add(2), 108, dict(args=(5,), kwargs={'z': 100})),
    ('complex chain', lambda: add(2, 2) | (add(4) | add_replaced(8) | add(16) | add(32)) | group(add(i) for i in range(4)), [64, 65, 66, 67]),
    ('nested chain', lambda: chain(add(1, 1), chain(add(1), chain(add(1), add(1)))), 5),
    ('nested chain with group', lambda: chain(add(1, 1), chain(add(1), group(add(1), add(2)))), [4, 5]),
    ('group', lambda: group(add(1, 1), add(2, 2)), [2, 4]),
    ('group gen', lambda: group(add(i, i) for i in range(5)), [0, 2, 4, 6, 8]),
    ('group partial', lambda: group(add(1), add(2)), [11, 12], dict(args=(10,))),
    ('group kwargs', lambda: group(kw(1), kw(2, b=3)), [[1, 9, None], [2, 9, 3]], dict(args=(), kwargs={'a': 9})),
    ('nested group', lambda: group(add(1, 10), group(add(1, 100), group(add(1, 1000), add(1, 2000)))), [11, 101, 1001, 2001]),
    ('nested group chain', lambda: chain(same(1), group(same(), add(1), group(add(2), add(3)))), [1, 2, 4, 3]),
    ('empty group', lambda: group(), []),
    ('group of one', lambda: group(add(1, 1)), [2]),
    ('group of group of one', lambda: group(group(add(1, 1))), [2]),
    ('group of group of group of one', lambda: group(group(group(add(1, 1)))), [2]),
    ('group of chain', lambda: group(chain(add(1, 1), add(2))), [4]),
    ('group of chain ending in group', lambda: group(chain(add(1, 1), group(add(1), add(2)))), [3, 4]),
    ('group of two, chain ending in group', lambda: group(chain(add(1, 1), group(add(1), add(2))), add(1, 1)), [[3, 4], 2]),
    ('group of chord', lambda: group(chord([add(1, 1), add(2, 2)], sum_()), add(3, 3)), [6, 6]),
    ('chain of group of one', lambda: chain(group(add(1, 1))), 2),
    ('chain group of one then task', lambda: chain(group(same(42)), same()), 42),
    ('or group of one then task', lambda: group(same(42)) | same(), [42]),
    ('chain t, g1, t', lambda: chain(same(42), group(same()), same()), 42),
    ('or t, g1, t', lambda: same(42) | group(same()) | same(), 42),
    ('group then group', lambda: group(add(1, 1), add(2, 2)) | group(sum_(), same()), [6, [2, 4]]),
    ('chain with empty group mid', lambda: chain(add(1, 1), group(), same()), []),
    ('chain ends in empty group', lambda: chain(add(1, 1), group()), []),
    ('group to empty chord body', lambda: chord([], sum_()), 0),
    ('chord of empty group', lambda: chord(group([]), sum_()), 0),
    ('chord of empty gen', lambda: chord((add(i) for i in range(0)), sum_()), 0),
    ('chord single sig header', lambda: chord(add(1, 1), sum_()), 2),
    ('chord one', lambda: chord([add(1, 1)], sum_()), 2),
    ('chord group one', lambda: chord(group(add(1, 1)), sum_()), 2),
    ('chord gen', lambda: chord((add(i, i) for i in range(6)), sum_()), 30),
    ('chord group gen', lambda: chord(group(add(i, i) for i in range(6)), sum_()), 30),
    ('chord body kwargs', lambda: chord([add(1, 1)], sum_(b=10)), 12),
    ('chord partial', lambda: chord([add(1), add(2)], sum_()), 23, dict(args=(10,))),
    ('chord immutable body', lambda: chord([add(1, 1)], add_si(5, 5)), 10),
    ('chord body chain', lambda: chord([add(1, 1), add(2, 2)], sum_() | add(1)), 7),
    ('chord body group', lambda: chord([add(1, 1), add(2, 2)], group(sum_(), sum_(1))), [6, 7]),
    ('chord body chord', lambda: chord([add(1, 1), add(2, 2)], chord([sum_(), sum_()], sum_())), 12),
    ('chord body chain of groups', lambda: chord([add(1, 1), add(2, 2)], chain(group(sum_(), sum_()), sum_(), group(add(1), add(2)))), [13, 14]),
    ('chord in chain', lambda: add(1, 1) | group(add(1), add(2)) | sum_() | add(1), 8),
    ('chord in chain obj', lambda: chain(add(1, 1), chord([add(1), add(2)], sum_()), add(1)), 8),
    ('chord then group', lambda: chord([add(1, 1), add(2, 2)], sum_()) | group(add(1), add(2)), [7, 8]),
    ('chord then chord', lambda: chord([add(1, 1), add(2, 2)], sum_()) | chord([add(1), add(2)], sum_()), 15),
    ('t chord chord t', lambda: chain(add(1, 1), chord([add(1), add(2)], sum_()), chord([add(1), add(2)], sum_()), add(1)), 18),
    ('t g t g t', lambda: add(1, 1) | group(add(1), add(2)) | sum_() | group(add(1), add(2)) | sum_(), 17),
    ('g g g', lambda: group(same(1), same(2)) | group(sum_(), sum_()) | group(sum_(), sum_()), [6, 6]),
    ('g g g t', lambda: chain(group(same(1), same(2)), group(sum_(), sum_()), group(sum_(), sum_()), sum_()), 12),
    ('t g g', lambda: chain(same(1), group(same(), same()), group(sum_(), sum_())), [2, 2]),
    ('header chains', lambda: chord([chain(add(1, 1), add(1)), chain(add(2, 2), add(1), add(1)), add(9, 9)], same()), [3, 6, 18]),
    ('header nested chord', lambda: chord([chord([add(1, 1), add(2, 2)], sum_()), add(3, 3)], same()), [6, 6]),
    ('header nested chord only', lambda: chord([chord([add(1, 1), add(2, 2)], sum_())], same()), [6]),
    ('header nested chord x3', lambda: chord([chord([chord([add(1, 1)], sum_()), add(1, 1)], sum_()), add(1, 1)], same()), [4, 2]),
    ('header chord with chain body', lambda: chord([chord([add(1, 1)], sum_() | add(1)), add(3, 3)], same()), [3, 6]),
    ('header chord with group body', lambda: chord([chord([add(1, 1)], group(sum_(), sum_())), add(3, 3)], same()), [[2, 2], 6]),
    ('header chord with chord body', lambda: chord([chord([add(1, 1)], chord([sum_()], sum_())), add(3, 3)], same()), [2, 6]),
    ('header chain ending in group', lambda: chord([chain(add(1, 1), group(add(1), add(2))), add(3, 3)], same()), [[3, 4], 6]),
    ('header chain ending in chord', lambda: chord([chain(add(1, 1), group(add(1), add(2)), sum_()), add(3, 3)], same()), [7, 6]),
    ('header chain beginning with chord', lambda: chord([chain(group(add(1, 1), add(2, 2)), sum_(), add(1)), add(3, 3)], same()), [7, 6]),
    ('header group', lambda: chord([group(add(1, 1), add(2, 2))], same()), [4, 2]),
    ('header group and task', lambda: chord([add(5, 5), group(add(1, 1), add(2, 2))], sum_()), 16),
    ('header two chains ending in groups', lambda: chord([chain(add(1, 1), group(add(1), add(2))), chain(add(2, 2), group(add(1), add(2)))], same()), [[3, 4], [5, 6]]),
    ('header chain in chain', lambda: chord([chain(add(1, 1), chain(add(1), add(1)))], same()), [4]),
    ('header chain of group one', lambda: chord([chain(same(1), group(same()))], same()), [1]),
    ('chord in chain in chord in chain', lambda: chain(same(1), chord([chain(add(1), chord([add(1), add(2)], sum_()), add(1)), same()], sum_()), add(1)), 10),
    ('large chord', lambda: chord([same(i) for i in range(120)], sum_()), 7140),
    ('map', lambda: xmap(same(), [1, 2, 3]).set(queue=JS), [1, 2, 3]),
    ('map sums', lambda: xmap(sum_(), [[1, 2], [3, 4]]).set(queue=JS), [3, 7]),
    ('starmap', lambda: xstarmap(add(), [(1, 2), (3, 4)]).set(queue=JS), [3, 7]),
    ('map in chain', lambda: chain(xmap(same(), [1, 2, 3]).set(queue=JS), sum_()), 6),
    ('map after task', lambda: chain(add(1, 1), xmap(same(), [1, 2, 3]).set(queue=JS)), [1, 2, 3]),
    ('starmap in chord', lambda: chord([xstarmap(add(), [(1, 2), (3, 4)]).set(queue=JS), same([5])], sum_()), 15),
    ('map in group', lambda: group(xmap(same(), [1]).set(queue=JS), xstarmap(add(), [[1, 1]]).set(queue=JS)), [[1], [2]]),
    ('map kwargs of inner', lambda: xmap(kw(a=1), [1, 2]).set(queue=JS), [[1, None, None], [2, None, None]]),
    ('chunks', lambda: chunks(add(), [(i, i) for i in range(7)], 3).group().set(queue=JS), [[0, 2, 4], [6, 8, 10], [12]]),
    ('chunks gen', lambda: chunks(add(), zip(range(5), range(5)), 2).group().set(queue=JS), [[0, 2], [4, 6], [8]]),
    ('retry in chain', lambda: add(1, 1) | retry_once() | add(1), 3),
    ('retry in header', lambda: chord([retry_once(5), add(1, 1)], sum_()), 7),
    ('retry in group', lambda: group(retry_once(5), add(1, 1)), [5, 2]),
    ('retry in chain in header', lambda: chord([chain(add(1, 1), retry_once(), add(1)), add(1, 1)], sum_()), 5),
    ('none in chain', lambda: chain(none(), same()), None),
    ('chord add', lambda: chord([add(0, 1), chord_add(2, 2)], sum_()), 9),
    ('countdown member', lambda: chord([add(1, 1).set(countdown=0.3), add(1, 1)], sum_()), 4),
    ('countdown group', lambda: group(add(1, 1), add(2, 2)), [2, 4], dict(args=(), countdown=0.3)),
    ('expires far', lambda: chain(add(1, 1), add(1)), 3, dict(args=(), expires=100)),
    ('expires later than RabbitMQ can count', lambda: chain(add(1, 1), add(1).set(expires='2099-01-01T00:00:00+00:00')), 3),
    ('link of which one is no group', lambda: chain(same(2), group(add(1), add(2)), sum_().set(link=[wire(add(1)), wire(group(add(1), add(2)))])), 7),
    ('immutable step', lambda: chain(add(1, 1), add_si(5, 5), add(1)), 11),
    ('stamp step', lambda: chain(same(1), st(stamps(), mon='abc')), [{'mon': 'abc'}, ['mon']]),
    ('stamp two steps', lambda: chain(same(1), st(stamps(), mon='abc', many=['x', 'y']), st(same(), a=1)), [{'mon': 'abc', 'many': ['x', 'y']}, ['many', 'mon']]),
    ('stamp member', lambda: chain(same(1), group(st(stamps(), mon='abc'), stamps())), [[{'mon': 'abc'}, ['mon']], [{}, []]]),
    ('stamp header', lambda: chain(same(1), chord([st(stamps(), mon='abc')], same())), [[{'mon': 'abc'}, ['mon']]]),
    ('stamp body', lambda: chain(same(1), chord([same()], st(stamps(), mon='abc'))), [{'mon': 'abc'}, ['mon']]),
    ('stamp first via spawn', lambda: swap(wire((st(stamps(), mon='abc')))), [{'mon': 'abc'}, ['mon']]),
    ('deep chain', lambda: chain(add(1, 1), deepchain(8)), 11),
    ('deep group', lambda: deepgroup(6), [2, 2, 4, 6, 8, 10, 12]),
    ('deep group in header', lambda: chord([deepgroup(3), add(1, 1)], sum_()), 16),
    ('chain of 60', lambda: chain(add(1, 1), *[add(1) for _ in range(59)]), 61),
    ('chain of chords', lambda: chain(same(1), *[x for _ in range(6) for x in (chord([add(1), add(2)], sum_()),)]), 253),
    ('long body chain', lambda: chord([add(1, 1), add(2, 2)], chain(sum_(), *[add(1) for _ in range(20)])), 26),
    ('wide chains in header', lambda: chord([chain(same(i), add(1), add(1)) for i in range(40)], sum_()), 860),
    ('body group of chains', lambda: chord([add(1, 1), add(2, 2)], group(chain(sum_(), add(1)), chain(sum_(), add(2)))), [7, 8]),
    ('group of chords', lambda: group([chord([add(i, i), add(1, 1)], sum_()) for i in range(4)]), [2, 4, 6, 8]),
    ('group of chords then', lambda: group([chord([add(i, i), add(1, 1)], sum_()) for i in range(4)]) | sum_(), 20),
    ('chain of group of chains then', lambda: chain(same(3), group(chain(add(1), add(1)), chain(add(2), add(2))), sum_()), 12),
    ('t chord(chain body) t', lambda: chain(same(1), chord([add(1), add(2)], chain(sum_(), add(1))), add(1)), 7),
    ('chord body group then t', lambda: chord([add(1, 1), add(2, 2)], group(sum_(), sum_())) | sum_(), 12),
    ('unicode', lambda: chain(same('žluťoučký 🐎 "q" \\ \u2028'), same(), group(same(), same())), ['žluťoučký 🐎 "q" \\ \u2028', 'žluťoučký 🐎 "q" \\ \u2028']),
    ('null member values', lambda: chord([none(), same(False), same(0), same('')], same()), [None, False, 0, '']),
    ('big ints', lambda: chain(same(2 ** 70), same()), 1180591620717411303424),
    ('kwargs in header', lambda: chord([kw(1, a=2), kw(x=3, b=4)], same()), [[1, 2, None], [3, None, 4]]),
    ('kwargs step', lambda: chain(same(5), kw(a=1, b=2)), [5, 1, 2]),
    ('member options', lambda: chord([add(1, 1).set(priority=3, expires=60, time_limit=50, soft_time_limit=40), add(1, 1)], sum_().set(priority=2)), 4),
    ('ignore_result call option', lambda: chord([add(1, 1).set(ignore_result=True), add(1, 1)], sum_()), 4),
    ('shadow', lambda: chain(add(1, 1).set(shadow='other'), add(1).set(shadow='more')), 3),
    ('replace add_to_all', lambda: add(2, 2) | group(add(i) for i in range(4)) | add_to_all(8), [12, 13, 14, 15]),
    ('replace add_to_all then', lambda: add(2, 2) | group(add(i) for i in range(4)) | add_to_all(8) | sum_(), 54),
    ('replace add_to_all in chord', lambda: chord([add_to_all([1, 2], 3), same(1)], sum_()), 10),
)

# Who its root, its parent and its group are; R is the result, .p what is before it, [n] a member.
PLACES = (
    ('chain', lambda: chain(ids_si(i) for i in range(4)), ['<R.p.p.p>', '<R.p>', 3]),
    ('group', lambda: group(ids_si(i) for i in range(3)), [['<R[0]>', None, 0], ['<R[1]>', None, 1], ['<R[2]>', None, 2]]),
    ('t t group', lambda: ids_si(1) | ids_si(2) | group(ids_si(i) for i in range(2, 5)), [['<R.p.p>', '<R.p>', 2], ['<R.p.p>', '<R.p>', 3], ['<R.p.p>', '<R.p>', 4]]),
    ('chain collected', lambda: ids(1) | idsf(2) | idsf(3), [[['<R.p.p>', None, 1], ['<R.p.p>', '<R.p.p>', 2]], ['<R.p.p>', '<R.p>', 3]]),
    ('t t g body', lambda: ids_si(1) | ids_si(2) | group(ids_si(i) for i in range(3, 6)) | idsf(50) | ids_si(51), ['<R.p.p.p.p>', '<R.p>', 51]),
    ('t t chord(chain)', lambda: chain(ids_si(1), ids_si(2), chord(group(ids_si(i) for i in range(3, 6)), chain(idsf(50) | idsf(51)))), [[[['<R.p.p.p.p>', '<R.p.p.p>', 3], ['<R.p.p.p.p>', '<R.p.p.p>', 4], ['<R.p.p.p.p>', '<R.p.p.p>', 5]], ['<R.p.p.p.p>', '<R.p.p[0]>', 50]], ['<R.p.p.p.p>', '<R.p>', 51]]),
    ('chord of one', lambda: chord([ids(1)], idsf(2)), [[['<R.p[0]>', None, 1]], ['<R.p[0]>', '<R.p[0]>', 2]]),
    ('chord of one then', lambda: chord([ids(1)], idsf(2)) | idsf(3), [[[['<R.p[0]>', None, 1]], ['<R.p[0]>', '<R.p[0]>', 2]], ['<R.p[0]>', '<id>', 3]]),
    ('chord body chain', lambda: chord([ids(1)], idsf(2) | idsf(3)), [[[['<R.p[0]>', None, 1]], ['<R.p[0]>', '<R.p[0]>', 2]], ['<R.p[0]>', '<id>', 3]]),
    ('t g g', lambda: chain(ids(1), group(idsf(2), idsf(3)), group(idsf(4), idsf(5))), [[[[['<R.p.p>', None, 1], ['<R.p.p>', '<R.p.p>', 2]], [['<R.p.p>', None, 1], ['<R.p.p>', '<R.p.p>', 3]]], ['<R.p.p>', '<R.p.p>', 4]], [[[['<R.p.p>', None, 1], ['<R.p.p>', '<R.p.p>', 2]], [['<R.p.p>', None, 1], ['<R.p.p>', '<R.p.p>', 3]]], ['<R.p.p>', '<R.p.p>', 5]]]),
    ('nested chord in chain', lambda: chain(ids(1), chord([chain(idsf(2), idsf(3)), idsf(4)], idsf(5)), idsf(6)), [[[[[['<R.p.p.p>', None, 1], ['<R.p.p.p>', '<R.p.p.p>', 2]], ['<R.p.p.p>', '<R.p.p[0].p>', 3]], [['<R.p.p.p>', None, 1], ['<R.p.p.p>', '<R.p.p.p>', 4]]], ['<R.p.p.p>', '<R.p.p[0]>', 5]], ['<R.p.p.p>', '<R.p>', 6]]),
    ('chord in header in chain', lambda: chain(ids(1), chord([chord([idsf(2)], idsf(3)), idsf(4)], idsf(5)), idsf(6)), [[[[[[['<R.p.p.p>', None, 1], ['<R.p.p.p>', '<R.p.p.p>', 2]]], ['<R.p.p.p>', '<R.p.p.p>', 3]], [['<R.p.p.p>', None, 1], ['<R.p.p.p>', '<R.p.p.p>', 4]]], ['<R.p.p.p>', '<R.p.p[0]>', 5]], ['<R.p.p.p>', '<R.p>', 6]]),
    ('place chain', lambda: chain(place(), place()), [None, None, '<R.p>', '<R.p>', '<R>']),
    ('place group', lambda: group(place(), place(), chain(same(1), place())), [['<R>', None, '<R[0]>', None, '<R[0]>'], ['<R>', None, '<R[1]>', None, '<R[1]>'], ['<R>', None, '<R[2].p>', '<R[2].p>', '<R[2]>']]),
    ('place nested group', lambda: group(place(), group(place(), place()), place()), [['<R>', None, '<R[0]>', None, '<R[0]>'], ['<R>', None, '<R[1]>', None, '<R[1]>'], ['<R>', None, '<R[2]>', None, '<R[2]>'], ['<R>', None, '<R[3]>', None, '<R[3]>']]),
    ('place chain group', lambda: chain(same(1), group(place(), place())), [['<R>', 0, '<R.p>', '<R.p>', '<R[0]>'], ['<R>', 1, '<R.p>', '<R.p>', '<R[1]>']]),
    ('place chord', lambda: chord([place(), place(), chain(same(1), place())], same()), [['<R.p>', 0, '<R.p[0]>', None, '<R.p[0]>'], ['<R.p>', 1, '<R.p[1]>', None, '<R.p[1]>'], ['<R.p>', 2, '<R.p[2].p>', '<R.p[2].p>', '<R.p[2]>']]),
    ('place chord body', lambda: chord([same(1)], place()), [None, None, '<R.p[0]>', '<R.p[0]>', '<R>']),
    ('place chord body in chain', lambda: chain(same(1), chord([same()], place()), place()), ['<R.p.p>', None, '<R.p.p.p>', '<R.p>', '<R>']),
    ('place body of a chord in place of a task', lambda: swap(wire(chord([same(1)], place()))), ['<id>', None, '<R>', '<id>', '<R>']),
    ('place chord in place of a task', lambda: swap(wire(chord([place()], same()))), [['<id>', 0, '<R>', '<R>', '<id>']]),
    ('place nested chord', lambda: chord([chord([place()], same()), place()], same()), [[['<R.p[0].p>', 0, '<R.p[0].p[0]>', None, '<R.p[0].p[0]>']], ['<R.p>', 1, '<R.p[1]>', None, '<R.p[1]>']]),
    ('place nested chord body', lambda: chord([chord([same(1)], place()), place()], same()), [['<R.p>', 0, '<R.p[0].p[0]>', '<R.p[0].p[0]>', '<R.p[0]>'], ['<R.p>', 1, '<R.p[1]>', None, '<R.p[1]>']]),
)

# How it fails, and the states of all that do not succeed.
FAILURES = (
    ('first of chain', lambda: chain(fail(1), add(1), add(2)),
     'FAILURE ExpectedException: 1', 'R:FAILURE R.p:FAILURE R.p.p:FAILURE'),
    ('mid of chain', lambda: chain(add(1, 1), fail(), add(2)),
     'FAILURE ExpectedException: 2', 'R:FAILURE R.p:FAILURE'),
    ('last of chain', lambda: chain(add(1, 1), fail()),
     'FAILURE ExpectedException: 2', 'R:FAILURE'),
    ('before group', lambda: chain(fail(1), group(add(1), add(2))),
     ['FAILURE ExpectedException: 1', 'FAILURE ExpectedException: 1'], 'R[0]:FAILURE R[1]:FAILURE R.p:FAILURE'),
    ('before chord', lambda: chain(fail(1), group(add(1), add(2)), sum_()),
     'FAILURE ExpectedException: 1', 'R:FAILURE R.p[0]:PENDING R.p[1]:PENDING R.p.p:FAILURE'),
    ('before chord then', lambda: chain(fail(1), group(add(1), add(2)), sum_(), add(1)),
     'FAILURE ExpectedException: 1', 'R:FAILURE R.p:FAILURE R.p.p[0]:PENDING R.p.p[1]:PENDING R.p.p.p:FAILURE'),
    ('before nested chain', lambda: chain(fail(1), chain(add(1), group(add(1), add(2)))),
     ['FAILURE ExpectedException: 1', 'FAILURE ExpectedException: 1'], 'R[0]:FAILURE R[1]:FAILURE R.p:FAILURE R.p.p:FAILURE'),
    ('in group', lambda: group(fail(1), add(1, 1)),
     ['FAILURE ExpectedException: 1', 2], 'R[0]:FAILURE'),
    ('in header', lambda: chord([fail(1), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE'),
    ('all of header', lambda: chord([fail(1), fail(2)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE R.p[1]:FAILURE'),
    ('only of header', lambda: chord([fail(1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE'),
    ('body', lambda: chord([add(1, 1)], fail()),
     'FAILURE ExpectedException: 2', 'R:FAILURE'),
    ('body then', lambda: chord([add(1, 1)], fail()) | add(1),
     'FAILURE ExpectedException: 2', 'R:FAILURE'),
    ('header then', lambda: chord([fail(1), add(1, 1)], sum_()) | add(1) | add(2),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE'),
    ('header in chain then', lambda: chain(add(1, 1), chord([fail(), add(1)], sum_()), add(1), add(2)),
     "FAILURE ChordError: Dependency <R.p.p.p[0]> raised ExpectedException('2')", 'R:FAILURE R.p:FAILURE R.p.p:FAILURE R.p.p.p[0]:FAILURE'),
    ('header, body chain', lambda: chord([fail(1), add(1, 1)], chain(sum_(), add(1))),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE'),
    ('header, body group', lambda: chord([fail(1), add(1, 1)], group(sum_(), sum_())),
     ['FAILURE ExpectedException: 1', 'FAILURE ExpectedException: 1'], 'R[0]:FAILURE R[1]:FAILURE R.p[0]:FAILURE'),
    ('header, body chord', lambda: chord([fail(1), add(1, 1)], chord([sum_(), sum_()], sum_())),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE'),
    ('nested header', lambda: chord([chord([fail(1), add(1, 1)], sum_()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ChordError('Dependency <R.p[0].p[0]> raised ExpectedException(\\'1\\')')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p[0]:FAILURE'),
    ('nested header x3', lambda: chord([chord([chord([fail(1)], sum_()), add(1, 1)], sum_()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ChordError('Dependency <R.p[0].p[0]> raised ChordError(\\'Dependency <R.p[0].p[0].p[0]> raised ExpectedException(\\\\'1\\\\')\\')')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p[0]:FAILURE R.p[0].p[0].p[0]:FAILURE'),
    ('nested body', lambda: chord([chord([add(1, 1)], fail()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('2')", 'R:FAILURE R.p[0]:FAILURE'),
    ('nested header, group body', lambda: chord([chord([fail(1)], group(sum_(), sum_())), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0][0]> raised ChordError('Dependency <R.p[0].p[0]> raised ExpectedException(\\'1\\')')", 'R:FAILURE R.p[0][0]:FAILURE R.p[0][1]:FAILURE R.p[0].p[0]:FAILURE'),
    ('nested header, chain body', lambda: chord([chord([fail(1)], chain(sum_(), add(1))), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ChordError('Dependency <R.p[0].p.p[0]> raised ExpectedException(\\'1\\')')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p:FAILURE R.p[0].p.p[0]:FAILURE'),
    ('chain in header, first', lambda: chord([chain(fail(1), add(1)), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p:FAILURE'),
    ('chain in header, mid', lambda: chord([chain(add(1, 1), fail(), add(1)), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('2')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p:FAILURE'),
    ('chain in header, last', lambda: chord([chain(add(1, 1), fail()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('2')", 'R:FAILURE R.p[0]:FAILURE'),
    ('chain>group in header', lambda: chord([chain(fail(1), group(add(1), add(2))), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0][0]> raised ExpectedException('1')", 'R:FAILURE R.p[0][0]:FAILURE R.p[0][1]:FAILURE R.p[0].p:FAILURE'),
    ('chain>group in header, in group', lambda: chord([chain(add(1, 1), group(fail(), add(2))), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0][0]> raised ExpectedException('2')", 'R:FAILURE R.p[0][0]:FAILURE'),
    ('chain>chord in header', lambda: chord([chain(fail(1), group(add(1), add(2)), sum_()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('1')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p[0]:PENDING R.p[0].p[1]:PENDING R.p[0].p.p:FAILURE'),
    ('chain>chord in header, in chord', lambda: chord([chain(add(1, 1), group(fail(), add(2)), sum_()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ChordError('Dependency <R.p[0].p[0]> raised ExpectedException(\\'2\\')')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p[0]:FAILURE'),
    ('unknown in header', lambda: chord([nobody(), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised NotRegistered('js.nobody')", 'R:FAILURE R.p[0]:FAILURE'),
    ('unknown in chain', lambda: chain(add(1, 1), nobody(), add(1)),
     "FAILURE NotRegistered: 'js.nobody'", 'R:FAILURE R.p:FAILURE'),
    ('unknown body', lambda: chord([add(1, 1)], nobody()),
     "FAILURE NotRegistered: 'js.nobody'", 'R:FAILURE'),
    ('expired in chain', lambda: chain(add(1, 1), add(1).set(expires=-5), add(1)),
     'FAILURE TaskRevokedError: expired', 'R:FAILURE R.p:REVOKED'),
    ('ignore in header', lambda: chord([ignore(1), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised Ignore('x')", 'R:FAILURE R.p[0]:PENDING'),
    ('reject in header', lambda: chord([reject(1), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised Reject('x', False)", 'R:FAILURE R.p[0]:FAILURE'),
    ('retries worn in header', lambda: chord([retry_fail(), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('worn')", 'R:FAILURE R.p[0]:FAILURE'),
    ('retries worn in chain', lambda: chain(retry_fail(), same()),
     'FAILURE ExpectedException: worn', 'R:FAILURE R.p:FAILURE'),
    ('t g g, in first group', lambda: chain(same(1), group(fail(), same()), group(sum_(), sum_())),
     ['FAILURE ExpectedException: 1', 'FAILURE ExpectedException: 1'], 'R[0]:FAILURE R[1]:FAILURE R.p[0]:FAILURE'),
    ('t g t g t, in second', lambda: chain(add(1, 1), group(add(1), add(2)), sum_(), group(fail(), add(2)), sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ExpectedException('7')", 'R:FAILURE R.p[0]:FAILURE'),
)

# Whom its errbacks are told of, with which error; those of the old style get the id alone.
ERRBACKS = (
    ('task', lambda e: fail(1).on_error(e), ['<R> ExpectedException tb']),
    ('chain on_error first', lambda e: chain(fail(1), add(1)).on_error(e), ['<R.p> ExpectedException tb']),
    ('chain on_error mid', lambda e: chain(add(1, 1), fail(), add(1)).on_error(e), ['<R.p> ExpectedException tb']),
    ('chain on_error last', lambda e: chain(add(1, 1), fail()).on_error(e), ['<R> ExpectedException tb']),
    ('group on_error', lambda e: group(fail(1), fail(2), add(1, 1)).on_error(e), ['<R[0]> ExpectedException tb', '<R[1]> ExpectedException tb']),
    ('chord on_error, header fails', lambda e: chord([fail(1), add(1, 1)], sum_()).on_error(e), ['<R> ChordError none']),
    ('chord on_error, two fail', lambda e: chord([fail(1), fail(2)], sum_()).on_error(e), ['<R> ChordError none']),
    ('chord on_error, body fails', lambda e: chord([add(1, 1)], fail()).on_error(e), ['<R> ExpectedException tb']),
    ('body on_error', lambda e: chord([fail(1)], sum_().on_error(e)), ['<R> ChordError none']),
    ('member on_error', lambda e: chord([fail(1).on_error(e), add(1, 1)], sum_()), ['<R.p[0]> ExpectedException tb']),
    ('member and body', lambda e: chord([fail(1).on_error(e)], sum_().on_error(e)), ['<R.p[0]> ExpectedException tb', '<R> ChordError none']),
    ('chain with chord on_error', lambda e: chain(add(1, 1), chord([fail(), add(1)], sum_()), add(1)).on_error(e), ['<R> ChordError none']),
    ('chain with chord, body', lambda e: chain(add(1, 1), chord([add(1)], fail()), add(1)).on_error(e), ['<R.p> ExpectedException tb']),
    ('chord body chain on_error', lambda e: chord([fail(1)], chain(sum_(), add(1)).on_error(e)), ['<R> ChordError none']),
    ('chord body group on_error', lambda e: chord([fail(1)], group(sum_(), sum_()).on_error(e)), ['<R[0]> ChordError none', '<R[1]> ChordError none']),
    ('chord body group members', lambda e: chord([fail(1)], group(sum_().on_error(e), sum_().on_error(e))), ['<R[0]> ChordError none', '<R[1]> ChordError none']),
    ('chord body chord on_error', lambda e: chord([fail(1)], chord([sum_()], sum_()).on_error(e)), ['<R> ChordError none']),
    ('nested chord on_error inner', lambda e: chord([chord([fail(1)], sum_()).on_error(e), add(1, 1)], sum_()), ['<R.p[0]> ChordError none']),
    ('nested chord on_error outer', lambda e: chord([chord([fail(1)], sum_()), add(1, 1)], sum_()).on_error(e), ['<R> ChordError none']),
    ('nested chord outer body', lambda e: chord([chord([fail(1)], sum_()), add(1, 1)], sum_().on_error(e)), ['<R> ChordError none']),
    ('chain in header on_error', lambda e: chord([chain(fail(1), add(1)).on_error(e), add(1, 1)], sum_()), ['<R.p[0].p> ExpectedException tb']),
    ('group | t on_error', lambda e: (group(fail(1), add(1, 1)) | sum_()).on_error(e), ['<R> ChordError none']),
    ('retry worn', lambda e: retry_fail().on_error(e), ['<R> ExpectedException tb']),
    ('unknown', lambda e: nobody().on_error(e), ['<R> NotRegisteredError tb']),
    ('expired', lambda e: add(1, 1).set(expires=-5).on_error(e), []),
    ('reject', lambda e: reject(1).on_error(e), ['<R> Reject tb']),
    ('ignore', lambda e: ignore(1).on_error(e), []),
    ('replaced by fail', lambda e: swap(wire((fail(1)))).on_error(e), ['<R> ExpectedException tb']),
    ('replaced by chain fail', lambda e: swap(wire((chain(add(1, 1), fail())))).on_error(e), ['<R> ExpectedException tb']),
    ('replaced by chord fail', lambda e: swap(wire((chord([fail(1)], sum_())))).on_error(e), ['<R> ChordError none']),
    ('replaced by group fail', lambda e: swap(wire((group(fail(1), add(1, 1))))).on_error(e), ['<R> ChordError none']),
    ('replaced by chord body fail', lambda e: swap(wire((chord([add(1, 1)], fail())))).on_error(e), ['<R> ExpectedException tb']),
    ('replaced: replacement has own', lambda e: swap(wire((fail(1).on_error(e)))), ['<R> ExpectedException tb']),
    ('replaced both', lambda e: swap(wire((fail(1).on_error(e)))).on_error(e), ['<R> ExpectedException tb']),
    ('callback fails', lambda e: (lambda a: (a.link(fail().on_error(e)), a)[1])(add(1, 1)), ['<id> ExpectedException tb']),
    ('two errbacks', lambda e: fail(1).on_error(e).on_error(e.clone().set(priority=3)), ['<R> ExpectedException tb', '<R> ExpectedException tb']),
    ('same twice', lambda e: fail(1).on_error(e).on_error(e.clone()), ['<R> ExpectedException tb']),
    ('group in chain on_error', lambda e: chain(add(1, 1), group(fail(), fail())).on_error(e), ['<R[0]> ExpectedException tb', '<R[1]> ExpectedException tb']),
    ('empty chord body fails', lambda e: chord([], fail()).on_error(e), ['<R> ExpectedException tb']),
    ('mid chain of chord', lambda e: chain(group(add(1, 1), fail(2)), sum_(), add(1)).on_error(e), ['<R> ChordError none']),
)

# Where a task is that is replaced, and what comes of its value.
STANDS = (
    ('alone', lambda w: w, lambda v: v),
    ('first', lambda w: chain(w, same()), lambda v: v),
    ('mid', lambda w: chain(none(), w, same()), lambda v: v),
    ('last', lambda w: chain(none(), w), lambda v: v),
    ('in group', lambda w: group(w, same(1)), lambda v: [v, 1]),
    ('in header', lambda w: chord([w, same(1)], same()), lambda v: [v, 1]),
    ('alone in header', lambda w: chord([w], same()), lambda v: [v]),
    ('body', lambda w: chord([same(1)], w), lambda v: v),
    ('body then', lambda w: chord([same(1)], w) | same(), lambda v: v),
    ('in header chain first', lambda w: chord([chain(w, same()), same(1)], same()), lambda v: [v, 1]),
    ('in header chain last', lambda w: chord([chain(none(), w), same(1)], same()), lambda v: [v, 1]),
    ('in chord in chain', lambda w: chain(same(1), chord([w, same()], same()), same()), lambda v: [v, 1]),
    ('in group at end', lambda w: chain(same(1), group(w, same())), lambda v: [v, 1]),
    ('before group', lambda w: chain(w, group(same(), same())), lambda v: [v, v]),
    ('before chord', lambda w: chain(w, group(same(), same()), same()), lambda v: [v, v]),
    ('in nested chord', lambda w: chord([chord([w], same()), same(1)], same()), lambda v: [[v], 1]),
)

# What takes its place, and its value.
SWAPS = (
    ('task', lambda: add(1, 2), 3),
    ('chain', lambda: chain(add(1, 2), add(10)), 13),
    ('chain1', lambda: chain(add(1, 2)), 3),
    ('group', lambda: group(add(1, 1), add(2, 2)), [2, 4]),
    ('group1', lambda: group(add(1, 1)), [2]),
    ('chord', lambda: chord([add(1, 1), add(2, 2)], sum_()), 6),
    ('chain>group', lambda: chain(add(1, 1), group(add(1), add(2))), [3, 4]),
    ('group>t', lambda: group(add(1, 1), add(2, 2)) | sum_(), 6),
    ('chord(chain)', lambda: chord([add(1, 1)], sum_() | add(1)), 3),
    ('chord(group)', lambda: chord([add(1, 1)], group(sum_(), sum_())), [2, 2]),
    ('nested chord', lambda: chord([chord([add(1, 1)], sum_()), add(1, 1)], sum_()), 4),
    ('again', lambda: swap(wire((add_replaced(3, 4)))), 7),
    ('group of chain', lambda: group(chain(add(1, 1), add(1)), add(2, 2)), [3, 4]),
    ('empty group', lambda: group(), []),
    ('retry', lambda: retry_once(8), 8),
)

# One of its tasks was revoked before it was sent.
REVOKED = (
    ('task', lambda id: add(1, 1).set(task_id=id),
     'REVOKED TaskRevokedError: revoked', 'R:REVOKED'),
    ('step', lambda id: chain(add(1, 1), add(1).set(task_id=id), add(1)),
     'FAILURE TaskRevokedError: revoked', 'R:FAILURE R.p:REVOKED'),
    ('member', lambda id: chord([add(1, 1).set(task_id=id), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised TaskRevokedError('revoked')", 'R:FAILURE R.p[0]:REVOKED'),
    ('step of member', lambda id: chord([chain(add(1, 1).set(task_id=id), add(1)), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised TaskRevokedError('revoked')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p:REVOKED'),
    ('body', lambda id: chord([add(1, 1)], sum_().set(task_id=id)),
     'REVOKED TaskRevokedError: revoked', 'R:REVOKED'),
    ('body then', lambda id: chord([add(1, 1)], sum_().set(task_id=id)) | add(1),
     'FAILURE TaskRevokedError: revoked', 'R:FAILURE'),
    ('group member', lambda id: group(add(1, 1).set(task_id=id), add(1, 1)),
     ['REVOKED TaskRevokedError: revoked', 2], 'R[0]:REVOKED'),
    ('before chord', lambda id: chain(add(1, 1).set(task_id=id), group(add(1), add(1)), sum_()),
     'FAILURE TaskRevokedError: revoked', 'R:FAILURE R.p[0]:PENDING R.p[1]:PENDING R.p.p:REVOKED'),
    ('nested member', lambda id: chord([chord([add(1, 1).set(task_id=id)], sum_()), add(1, 1)], sum_()),
     "FAILURE ChordError: Dependency <R.p[0]> raised ChordError('Dependency <R.p[0].p[0]> raised TaskRevokedError(\\'revoked\\')')", 'R:FAILURE R.p[0]:FAILURE R.p[0].p[0]:REVOKED'),
)


def nodes(result):
    """Everything that a result leads to: role and result."""
    found, left = [], [('R', result)]
    while left:
        role, node = left.pop(0)
        if node is not None:
            found.append((role, node))
            left += [('%s[%d]' % (role, n), member) for n, member in enumerate(getattr(node, 'results', None) or [])]
            left.append((role + '.p', node.parent))
    return found


def meta(result):
    return app.backend.get_task_meta(result.id)


def value(result):
    if isinstance(result, GroupResult):
        return [value(member) for member in result.results]
    found = meta(result)
    if found['status'] == 'SUCCESS':
        return found['result']
    return '%s %s: %s' % (found['status'], type(found['result']).__name__, found['result'])


def named(text, roles):
    """The same with roles in place of ids."""
    for id, role in roles.items():
        text = text.replace(id, '<%s>' % role)
    return UUID.sub('<id>', text)


class Sent:
    """A canvas on its way, and what is expected of it."""

    def __init__(self, name, canvas, expected, args=(), mark=None, states=None, **options):
        self.name, self.expected, self.mark = name, expected, mark
        if isinstance(canvas, (xmap, xstarmap)):
            options['queue'] = JS
        self.result = canvas.apply_async(args, **options)
        self.nodes = nodes(self.result)
        self.roles = {node.id: role for role, node in self.nodes}
        self.states = states

    def told(self, lines):
        """What its errbacks were told, in order of the text."""
        return sorted(named(line.split(' ', 1)[1], self.roles) for line in lines if line.startswith(self.mark + ' '))

    def seen(self, lines):
        if self.mark:
            return self.told(lines)
        given = json.loads(named(json.dumps(value(self.result)), self.roles))
        return given if self.states is None else [given, sorted(self.others().split())]

    def others(self):
        tasks = [(role, meta(node)['status']) for role, node in self.nodes if not isinstance(node, GroupResult)]
        return ' '.join('%s:%s' % (role, state) for role, state in tasks if state != 'SUCCESS')

    def wanted(self):
        return self.expected if self.states is None else [self.expected, sorted(self.states.split())]


def revoked(make):
    id = str(uuid.uuid4())
    app.control.revoke(id, reply=True, timeout=5, limit=1)
    return make(id)


def errback(style, mark):
    return task('errback_' + style)(mark)


def all_sent():
    for name, make, expected, *options in VALUES:
        yield Sent(name, make(), expected, **(options[0] if options else {}))
    for name, make, expected in PLACES:
        yield Sent(name, make(), expected)
    for name, make, expected, states in FAILURES:
        yield Sent(name, make(), expected, states=states)
    for name, make, expected, states in REVOKED:
        yield Sent('revoked: ' + name, revoked(make), expected, states=states)
    for stand, around, expected in STANDS:
        for name, make, given in SWAPS:
            yield Sent('%s in place of a task %s' % (name, stand), around(swap(wire(make())).set(immutable=True)), expected(given))
    for name, make, expected in ERRBACKS:
        for style in ('old', 'new'):
            mark = uuid.uuid4().hex
            wanted = sorted(line.split(' ')[0] if style == 'old' else line for line in expected)
            yield Sent('%s errback: %s' % (style, name), make(errback(style, mark)), wanted, mark=mark)


def read(path):
    return open(path).read().splitlines() if os.path.exists(path) else []


def differences(path, seconds=60):
    """How many scenarios there are, and [name, expected, seen] of those that do not end as they should. `path` is where errbacks write."""
    sent = list(all_sent())
    left, end = sent, time.time() + seconds
    while left and time.time() < end:
        lines = read(path)
        left = [one for one in left if one.seen(lines) != one.wanted()]
        time.sleep(0.05)
    # Nobody is told twice.
    lines = read(path)
    again = [one for one in sent if one not in left and one.mark and one.seen(lines) != one.wanted()]
    return [len(sent), [[one.name, one.wanted(), one.seen(lines)] for one in left + again]]
