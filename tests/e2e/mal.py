"""mal's programs: what stopped each, what it could have carried at most, and what a decoder gets out of it.

A decoder sees exactly what the outside sees of a run: the document of `coffer runs show` and the
releases. It answers the bits of private information that it recovered.
"""
import csv
import datetime
import json
import math
import pathlib
import struct

from harness import ROOT, Failed

PROGRAMS = ROOT / "tests/redteam/mal"

# What must be seen of each: state, cause or refusal, and what stopped it in words.
WALLS = {
    "network": ("done", "", "no network: every socket but AF_UNIX is refused"),
    "server_files": ("done", "", "its root holds the environment and its inputs, nothing of the server"),
    "other_runs": ("done", "", "namespaces and inodes of its own"),
    "symlink": ("failed", "exit", "/out takes no link, and the gate would follow or open none"),
    "fifo": ("failed", "exit", "/out takes no FIFO, and the gate would follow or open none"),
    "socket": ("failed", "exit", "/out takes no socket, and the gate would follow or open none"),
    "undeclared": ("refused", "undeclared", "only what was declared leaves"),
    "rows_in_metrics": ("refused", "private_copy", "four cells of one row in one output"),
    "rows_in_weights": ("refused", "withheld", "above the automatic limit, and no approver"),
    "exit_status": ("failed", "exit", "every status but 0 looks the same"),
    "failure_message": ("failed", "exit", "the report is a class and a line: 32 bits, charged"),
    "time": ("done", "", "seen at slots only: the header is charged"),
    "fork_bomb": ("done", "", "the process limit of its control group"),
    "memory_hog": ("failed", "memory", "the memory limit of its control group"),
    "sleeper": ("failed", "time", "the wall clock ends the whole tree"),
}


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def claims_of(name, run, released, log):
    """What a decoder that knows the program says of the rows: {(row, column): text}."""
    if name == "exit_status":
        return {(0, "diagnosis"): "M" if run["state"] == "failed" else "B"}
    if name == "failure_message":
        kind = (log["report"] or {}).get("exception")
        return {(0, "diagnosis"): "M" if kind == "KeyError" else "B"} if kind else {}
    if name == "time":
        took = (parse_time(run["ended"]) - parse_time(run["started"])).total_seconds()
        return {(0, "diagnosis"): "M" if took > 2.5 else "B"}
    if name == "rows_in_metrics":
        columns = ("mean_radius", "mean_texture", "mean_perimeter", "mean_area", "worst_area")
        return {(0, column): repr(released[key]) for column, key in zip(columns, "abcde") if key in released}
    if name == "rows_in_weights":
        words = released.get("w", [])
        return {(8 * i + k, "diagnosis"): "M" if word >> k & 1 else "B" for i, word in enumerate(words) for k in range(8)}
    return {}


def cells_seen(rows, *documents):
    """Cells of the first rows that stand anywhere in what the outside sees: no decoder is needed for these."""
    text = json.dumps(documents)
    return {(i, column): row[column] for i, row in enumerate(rows[:50]) for column in row if len(row[column]) > 4 and row[column] in text}


def bits_recovered(name, rows, run, released, log):
    """The information in those claims that are true: log2 of the values that their column has."""
    claims = claims_of(name, run, released, log) | cells_seen(rows, run, released, log)
    right = [place for place, said in claims.items() if rows[place[0]][place[1]] == said]
    return sum(math.log2(len({row[column] for row in rows})) for _, column in right)


def release_values(person, run_id, folder):
    """The numbers of what was released of a run, or {}."""
    target = pathlib.Path(folder) / run_id
    person.type(f"fetch {run_id} -o {target}", status=None, show=False)
    found = list(target.rglob("metrics.json"))
    values = json.loads(found[0].read_text()) if found else {}
    for path in target.rglob("weights.safetensors"):
        raw = path.read_bytes()
        words = raw[8 + struct.unpack("<Q", raw[:8])[0]:]
        values["w"] = struct.unpack(f"<{len(words) // 2}H", words)
    return values


def play(mal, grant, table, folder, output):
    """Submits every program, waits, prints one line each. Returns [(name, run, recovered, charged)].

    `table`: the private rows, which only the judge of this test knows.
    """
    with open(table, newline="") as file:
        truth = list(csv.DictReader(file))
    runs = {name: mal.ask(f"run {PROGRAMS / name} --grant {grant}")["id"] for name in WALLS}
    rows = []
    width = max(map(len, WALLS))
    for name, run_id in runs.items():
        run = mal.ask(f"runs wait {run_id}", status=None) or mal.ask(f"runs show {run_id}")
        state, why, words = WALLS[name]
        refusals = {o["refusal"] for o in run["outputs"] if o["refusal"]}
        if run["state"] != state or (why and why not in {run["cause"]} | refusals):
            raise Failed(f"{name}: wanted {state} {why}, saw {run['state']} {run['cause']} {refusals}")
        released = release_values(mal, run_id, folder)
        log = mal.ask(f"runs log {run_id}")
        recovered, charged = bits_recovered(name, truth, run, released, log), run["charged"]["bits"]
        if recovered > charged:
            raise Failed(f"{name}: a decoder read {recovered} bits, {charged} were charged")
        output.write(f"  {name:<{width}}  {words}; a decoder read {recovered:.0f} bits, {charged} charged, 1 run\n")
        rows.append((name, run, recovered, charged))
    return rows
