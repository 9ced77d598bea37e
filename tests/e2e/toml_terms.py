"""Every field of coffer.toml with what it may not be: wrong type, out of range, unknown, missing.

One table, FIELDS, from outside.md section 2 and the limits in src/program/manifest.h and declaration.h.
"""
import copy
import json

GOOD = {
    "program": {"name": "every", "entry": ["python3", "main.py"], "environment": "python-sklearn"},
    "inputs": {"people": "clinic/people"},
    "params": {"folds": 5, "rate": 0.5, "text": "a", "flag": True},
    "resources": {"cpus": 1, "memory": "128MiB", "time": "20s", "output": "1MiB", "gpus": 0, "retry": 0},
    "outputs": [
        {"name": "numbers", "kind": "metrics", "lane": "bounded", "fields": {
            "n": {"min": 0, "max": 255, "digits": 0, "optional": True, "clamp": True},
            "stage": {"values": ["fit", "skipped"], "optional": False},
        }},
        {"name": "weights", "kind": "tensors", "lane": "bounded", "drop": ["*.batches"], "tensors": {
            "coef": {"shape": [3, 2], "dtype": "f16"},
            "small": {"shape": [3], "dtype": "i8", "scale": 0.5},
            "count": {"shape": [1], "dtype": "i32", "min": 0, "max": 9},
        }},
        {"name": "rows", "kind": "table", "lane": "bounded", "rows_max": 20, "columns": [
            {"name": "stage", "values": ["I", "II"], "key": True},
            {"name": "mean", "min": 0, "max": 500, "digits": 1},
        ]},
    ],
}

TEXTS, NUMBERS, LISTS, TABLES = [5, True, [], {}], ["5", True, [], {}], ["a", 5, True, {}], ["a", 5, True, []]
FLAGS = ["true", 1, [], {}]
NAME_BEYOND = ["", "A", "a b", "..", "x" * 64, "é", "a\n"]
METRICS, TENSORS, TABLE = ("outputs", 0), ("outputs", 1), ("outputs", 2)
N, STAGE = (*METRICS, "fields", "n"), (*METRICS, "fields", "stage")
COEF, SMALL, COUNT = (*TENSORS, "tensors", "coef"), (*TENSORS, "tensors", "small"), (*TENSORS, "tensors", "count")
KEY, MEAN = (*TABLE, "columns", 0), (*TABLE, "columns", 1)

# path: wrong types, beyond its range, whether it must be there, words besides its own name.
FIELDS = {
    ("program",): (["a", 5, []], [], True),
    ("program", "name"): (TEXTS, NAME_BEYOND, True),
    ("program", "entry"): (["python3", 5, [5], {}], [[], [""], ["a"] * 65, ["x" * 4097], ["a\0b"]], True),
    ("program", "environment"): (TEXTS, [*NAME_BEYOND, "a@", "a@sha256:00", "a@md5:" + "0" * 64, "@sha256:" + "0" * 64], True),
    ("inputs",): (["a", 5, []], [{f"i{n}": "clinic/people" for n in range(33)}], False),
    ("inputs", "people"): (TEXTS, ["", "people", "clinic/", "/people", "clinic/people@", "clinic/people@v0", "clinic/people@v01", "clinic/people@3",
                                   "clinic/people@v99999999999", "clinic/../people", "a/b/c"], False),
    ("params",): (["a", 5, []], [{f"p{n}": 1 for n in range(65)}], False),
    ("params", "folds"): ([[], {}, [1]], [1 << 53, -(1 << 53)], False),
    ("params", "text"): ([], ["x" * 4097], False),
    ("resources",): (["a", 5, []], [], False),
    ("resources", "cpus"): ([*NUMBERS, 1.5], [0, -1, 1025], False),
    ("resources", "memory"): (TEXTS, ["", "1KiB", "15MiB", "65537GiB", "x", "-1GiB", "1e9GiB"], False),
    ("resources", "time"): (TEXTS, ["", "0s", "721h", "x", "-1s", "1d"], False),
    ("resources", "output"): (TEXTS, ["", "63KiB", "1025GiB", "x"], False),
    ("resources", "gpus"): ([*NUMBERS, 0.5], [-1, 65], False),
    ("resources", "retry"): ([*NUMBERS, 0.5], [-1, 2], False),
    ("outputs",): (["a", 5, {}], [], False),
    (*METRICS, "name"): (TEXTS, NAME_BEYOND, True),
    (*METRICS, "kind"): (TEXTS, ["", "video", "METRICS"], True),
    (*METRICS, "lane"): (TEXTS, ["", "sideways"], True),
    (*METRICS, "fields"): (["a", 5, []], [{}], True),
    N: (["a", 5, []], [], False),
    (*N, "min"): (["0", True, []], [256, 0.5], True),
    (*N, "max"): (["255", True, []], [-1, 0.5, 1e30], True),
    (*N, "digits"): (["0", True, 0.5], [-1, 19], True),
    (*N, "optional"): (FLAGS, [], False),
    (*N, "clamp"): (FLAGS, [], False),
    (*STAGE, "values"): (["fit", 5, [5], {}], [[], ["fit", "fit"], ["x" * 257]], True),
    (*TENSORS, "drop"): (["a", 5, [5]], [["x"] * 65, [""]], False),
    (*TENSORS, "tensors"): (["a", 5, []], [{}], True),
    (*COEF, "shape"): (["3", 5, ["3"], {}], [[-1], [0.5], [1] * 9, [1 << 40]], True),
    (*COEF, "dtype"): (TEXTS, ["", "f64", "F16"], True),
    (*SMALL, "scale"): (["1", True, []], [0, -1], True),
    (*COUNT, "min"): (["0", 0.5, []], [10, -(1 << 31) - 1], True),
    (*COUNT, "max"): (["9", 0.5, []], [-1, 1 << 31], True),
    (*TABLE, "rows_max"): (["20", True, 0.5], [-1, 100_000_001], True),
    (*TABLE, "columns"): (["a", 5, {}], [[]], True),
    (*KEY, "name"): (TEXTS, ["", "x" * 201], True),
    (*KEY, "values"): (["I", 5, [5]], [[], ["I", "I"]], True),
    (*KEY, "key"): (FLAGS, [], False),
    (*MEAN, "min"): (["0", True, []], [501, 0.05], True),
    (*MEAN, "max"): (["0", True, []], [-1], True),
    (*MEAN, "digits"): (["0", 0.5, []], [-1, 19], True),
}
# Tables that take these keys and no other; a near one and a far one, and what the near one is nearest to.
UNKNOWN = {
    (): ("imputs", "inputs"), ("program",): ("entri", "entry"), ("resources",): ("memroy", "memory"), METRICS: ("lanes", "lane"), N: ("digit", "digits"),
    TENSORS: ("tensor", "tensors"), COEF: ("dtyp", "dtype"), TABLE: ("row_max", "rows_max"), MEAN: ("digit", "digits"),
}
# What stands twice, by name.
TWICE = {(*METRICS, "name"): "weights", (*KEY, "name"): "mean"}
# Keys that are known and do not belong where they stand.
MISPLACED = {
    (*STAGE, "min"): 0, (*STAGE, "digits"): 1, (*STAGE, "clamp"): True,
    (*COEF, "min"): 0, (*COEF, "scale"): 1, (*METRICS, "rows_max"): 5, (*TABLE, "fields"): {},
}
TEXT = {
    "no end of a text": ('[program]\nname = "x', "line 2"),
    "a key twice": ('[program]\nname = "a"\nname = "b"\n', "name"),
    "a table twice": ("[program]\n[program]\n", "program"),
    "no TOML": ("\0\1\2", ""),
    "not UTF-8": (b'[program]\nname = "\xff"\n', ""),
    "nested 10,000 deep": ("x = " + "[" * 10_000, ""),
    "tables 10,000 deep": ("[" + "a." * 10_000 + "b]\n", ""),
    "over a mebibyte": ("#" * ((1 << 20) + 1), "1048576"),
    "empty": ("", "program"),
    "a date": ("[program]\nname = 2020-01-01\n", "line 2"),
    "not a number": ('[params]\nx = nan\n[program]\nname = "a"\nentry = ["a"]\nenvironment = "a"\n', "line 2"),
}


def render(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {render(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(render, value)) + "]"
    return json.dumps(value, ensure_ascii=True)


def written(document):
    return "".join(f"{key} = {render(value)}\n" for key, value in document.items())


def changed(path, **how):
    """The good document with one place set to `to`, or without it."""
    document = copy.deepcopy(GOOD)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    if "to" in how:
        inner[path[-1]] = how["to"]
    else:
        del inner[path[-1]]
    return written(document)


def own_words(path):
    """The name of the field, and of the output that it is in."""
    words = [path[-1]]
    if path[0] == "outputs" and len(path) > 2 and path[2] != "name":
        words.append("outputs." + GOOD["outputs"][path[1]]["name"])
    return words


def wrong():
    """(what is wrong, the text of coffer.toml, words that the error must say), one after the other."""
    for path, (types, beyond, needed) in FIELDS.items():
        dotted = ".".join(map(str, path))
        for value in types + beyond:
            yield f"{dotted} = {render(value)[:60]}", changed(path, to=value), own_words(path)
        if needed:
            yield f"{dotted} is missing", changed(path), own_words(path)
    for path, (near, nearest) in UNKNOWN.items():
        yield f"{'.'.join(map(str, path))} has {near}", changed((*path, near), to=1), [near, f"did you mean {nearest}?"]
        yield f"{'.'.join(map(str, path))} has zzzzzzzz", changed((*path, "zzzzzzzz"), to=1), ["zzzzzzzz", "unknown key"]
    for path, value in MISPLACED.items():
        yield f"{'.'.join(map(str, path))} does not belong there", changed(path, to=value), own_words(path)
    for path, value in TWICE.items():
        yield f"{value} stands twice", changed(path, to=value), [value, "stands twice"]
    for what, (text, word) in TEXT.items():
        yield what, text, [word]


def right():
    """(what, the text of coffer.toml) that is permitted beside all that: each limit reached, each default left out."""
    yield "every field", written(GOOD)
    for path in (("params",), ("resources",), (*N, "optional"), (*N, "clamp"), (*TENSORS, "drop"), (*KEY, "key")):
        yield f"without {'.'.join(map(str, path))}", changed(path)
    for path, value in ((("program", "name"), "x" * 63), (("program", "entry"), ["a"] * 64), (("params", "folds"), (1 << 53) - 1),
                        (("resources", "memory"), "16MiB"),
                        (("resources", "time"), "720h"), (("resources", "output"), "64KiB"), (("resources", "retry"), 1), ((*COEF, "shape"), [1] * 8),
                        ((*TABLE, "rows_max"), 100_000), ((*N, "min"), 255), ((*COUNT, "max"), (1 << 31) - 1), ((*KEY, "name"), "x" * 200)):
        yield f"{'.'.join(map(str, path))} = {render(value)[:60]}", changed(path, to=value)
