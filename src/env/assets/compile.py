"""Compiles every Python source below the given folders, so that no program has to.

The bytecode depends on the sources only: unchecked-hash files (PEP 552), one process per fixed share
of the sorted files, tests left out. Bytecode that was there before is removed first.
Run it with -I -S and PYTHONHASHSEED=0: no code of the folders may take part.
"""
import _imp
import importlib.util
import marshal
import os
import shutil
import sys
import warnings

SHARES = 4
UNCHECKED_HASH = (1).to_bytes(4, "little")
LEFT_OUT = {"test", "tests", "idle_test", "lib2to3"}


def sources(tops):
    found = []
    for top in tops:
        for folder, names, files in os.walk(top):
            if "__pycache__" in names:
                shutil.rmtree(os.path.join(folder, "__pycache__"))
            for name in files:
                path = os.path.join(folder, name)
                if name.endswith(".pyc"):
                    os.remove(path)
                elif name.endswith(".py") and not LEFT_OUT & set(folder.split(os.sep)) and not os.path.islink(path):
                    found.append(path)
            names[:] = [name for name in names if name != "__pycache__"]
    return sorted(found)


def compile_one(path):
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError):
        return  # a template or a source of another version; importing it would fail as well
    check = _imp.source_hash(importlib.util._RAW_MAGIC_NUMBER, source)
    target = importlib.util.cache_from_source(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + check + marshal.dumps(code))


def main():
    warnings.simplefilter("ignore")
    files = sources(sys.argv[1:])
    children = []
    for share in range(SHARES):
        child = os.fork()
        if child == 0:
            try:
                for path in files[share::SHARES]:
                    compile_one(path)
            except BaseException as problem:
                print("compile:", problem, file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    print("compiled", len(files), "files")
    sys.exit(1 if failed else 0)


main()
