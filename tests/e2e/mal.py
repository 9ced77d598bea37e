"""mal's programs: what stopped each, what it could have carried at most, and what a decoder gets out of it.

A decoder sees exactly what the outside sees of a run: the document of `coffer runs show` and the
releases. It answers the bits of private information that it recovered.
"""
import json
import math
import pathlib

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


def observed(run, released):
    """Everything that differs between two runs of one program, for somebody outside."""
    slot = (run["started"], run["ended"])
    return {"state": run["state"], "cause": run["cause"], "slot": slot, "verdicts": [o["verdict"] for o in run["outputs"]], "released": released}


def bits_recovered(name, run, released, log):
    """How many bits about the rows a decoder reads out of what the outside sees."""
    if name == "exit_status":
        return 1.0  # failed or not: the first diagnosis
    if name == "failure_message":
        return 1.0 if log["report"] else 0.0  # KeyError or ValueError; the text is gone
    if name == "time":
        return 1.0  # an early or a late slot
    if name in ("network", "server_files", "other_runs"):
        return 0.0 if released.get("n") == 0 else 8.0
    if name == "undeclared":
        return 8.0 if released else 0.0
    if name == "rows_in_metrics":
        return 85.0 if released else 0.0
    if name == "rows_in_weights":
        return 128.0 if released else 0.0
    return math.log2(6) if run["cause"] else 0.0


def release_values(person, run_id, folder):
    """The numbers of a released metrics.json, or {}."""
    target = pathlib.Path(folder) / run_id
    person.type(f"fetch {run_id} -o {target}", status=None, show=False)
    found = list(target.rglob("metrics.json"))
    return json.loads(found[0].read_text()) if found else {}


def play(mal, grant, folder, output):
    """Submits every program, waits, prints one line each. Returns [(name, run, recovered, charged)]."""
    runs = {name: mal.ask(f"run {PROGRAMS / name} --grant {grant}")["id"] for name in WALLS}
    rows = []
    width = max(map(len, WALLS))
    for name, run_id in runs.items():
        run = mal.ask(f"runs wait {run_id}", status=None) or mal.ask(f"runs show {run_id}")
        state, why, words = WALLS[name]
        refusals = {o["refusal"] for o in run["outputs"] if o["refusal"]}
        if run["state"] != state or (why and why not in {run["cause"]} | refusals):
            raise Failed(f"{name}: wanted {state} {why}, saw {run['state']} {run['cause']} {refusals}")
        released = release_values(mal, run_id, folder) if state == "done" else {}
        log = mal.ask(f"runs log {run_id}")
        recovered, charged = bits_recovered(name, run, released, log), run["charged"]["bits"]
        if recovered > charged:
            raise Failed(f"{name}: a decoder read {recovered} bits, {charged} were charged")
        output.write(f"  {name:<{width}}  {words}; at most {charged} bits, 1 run\n")
        rows.append((name, run, recovered, charged))
    return rows
