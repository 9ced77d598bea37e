"""What a server may leave behind on its machine: nothing but its data.

left_behind(server) names every process, mount, control group and temporary file that outlived a stopped server.
"""
import os
import pathlib
import re
import shutil
import sqlite3
import tempfile
import time

PATIENCE_S = 10  # the kernel takes dead processes and their groups away in its own time

# What may lie in each folder of the data directory, by name; folders without a line are searched for TEMPORARY only.
EXPECTED = {"stage": r"(?!)", "programs": r"[0-9a-f]{64}", "runs": r"[0-9a-f]{64}", "env": r"[0-9a-f]{64}|\.incoming", "env/.incoming": r"(?!)"}
TEMPORARY = re.compile(r"\.(?!sealed$)[A-Za-z0-9]{6}$|\.tmp$|~$")


def read(path):
    try:
        return pathlib.Path(path).read_bytes().decode(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def mounts_below(pid, directory):
    """(source root, mount point) of each mount of that process that shows something of the directory."""
    found = set()
    for line in read(f"/proc/{pid}/mountinfo").splitlines():
        words = line.split(" ")
        if str(directory) in words[3] or str(directory) in words[4]:
            found.add((words[3], words[4]))
    return found


def processes(directory, own):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid() or read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] in (["Z"], []):
            continue
        words = read(f"/proc/{pid}/cmdline").split("\0")
        if (words[0].startswith("coffer-") and str(directory) in words) or mounts_below(pid, directory) - own:
            yield f"process {pid}: {' '.join(words).strip()}"


def mounts(directory, own):
    for _, place in mounts_below("self", directory) - own:
        yield f"mount {place}"


def start_time(pid):
    return (read(f"/proc/{pid}/stat").rpartition(") ")[2].split() + [""] * 20)[19]


def groups():
    """Control groups whose owner is dead: named SPACE.PID.START.name, see src/os/cgroup.cpp."""
    space = re.search(r"\d+", os.readlink("/proc/self/ns/pid"))[0]
    bases = ("coffer", "coffer-991003") if os.geteuid() == 0 else (f"coffer-{os.geteuid()}",)
    for base, names, _ in os.walk("/sys/fs/cgroup"):  # which passes over what other tests' servers take away meanwhile
        for name in names if os.path.basename(base) in bases else ():
            owner = name.split(".")
            if len(owner) >= 4 and owner[0] == space and start_time(owner[1]) != owner[2]:
                yield f"control group {base}/{name}"


def files(data):
    for folder, names in EXPECTED.items():
        for path in (data / folder).iterdir() if (data / folder).is_dir() else ():
            if not re.fullmatch(names, path.name):
                yield f"file {path}"
    for folder in ("front", "keeper", "ledger", "runs", "vault"):
        for path in (data / folder).rglob("*"):
            if path.is_file() and (TEMPORARY.search(path.name) or path.parent.name == "tmp"):
                yield f"file {path}"
    known = uploads_known(data / "front")
    for path in (data / "front/uploads").iterdir():
        if path.name not in known:
            yield f"file {path}: no upload is known by that name"


def uploads_known(front):
    """Read from a copy: opening the database would change it."""
    with tempfile.TemporaryDirectory() as copy:
        for path in front.glob("coffer.db*"):
            shutil.copy(path, copy)
        database = sqlite3.connect(f"{copy}/coffer.db")
        try:
            return {row[0] for row in database.execute("SELECT id FROM uploads")}
        finally:
            database.close()


def look(server, own):
    return [*processes(server.data, own), *mounts(server.data, own), *groups(), *files(server.data)]


def left_behind(server, own=frozenset()):
    """Sorted descriptions, none where all is well. `own`: the mounts (source root, place) that the test made itself."""
    end = time.monotonic() + PATIENCE_S
    found = look(server, own)
    while found and time.monotonic() < end:
        time.sleep(0.2)
        found = look(server, own)
    return sorted(found)
