#!/usr/bin/env python3
"""Fails when the sources break a rule of the house that a machine can see. Each message names the cure."""
import pathlib
import re
import sys

LINES_MAX, COLUMNS_MAX = 500, 100
BANNED = [
    (r"\bsystem_clock::now|\bsteady_clock::now|\btime\(nullptr\)", "take a Clock", ("base", "os", "app")),
    (r"\brandom_device\b|\brand\(\)|\bmt19937", "take random_bytes(), or a seeded generator in tests", ("base", "os", "crypto")),
    (r"\bthrow\b(?!\()", "return an Error", ()),
    (r"\bnew\b (?!T\b)[A-Z]\w*[({]", "use std::make_unique", ()),
    (r"\busing namespace (?!std::chrono_literals|std::literals|std::string_literals|std::string_view_literals)", "name what you use", ()),
    (r"\b(TODO|FIXME|XXX)\b", "finish it, or write it into docs/decisions/", ()),
]


def check_file(file, part, name_is_test):
    lines = file.read_text().splitlines()
    if len(lines) > LINES_MAX:
        yield f"{file}:1: error: {len(lines)} lines, the limit is {LINES_MAX}: split it by what it is about"
    raw = None  # the end of the raw string that a line stands in: SQL and documents keep their form
    for number, text in enumerate(lines, 1):
        opened = re.search(r'R"(\w*)\(', text)
        if opened and raw is None:
            raw = f'){opened[1]}"'
        within = raw is not None
        if raw is not None and raw in text:
            raw = None
        if len(text) > COLUMNS_MAX and not within:
            yield f"{file}:{number}: error: {len(text)} columns, the limit is {COLUMNS_MAX}: run clang-format"
        code = text.split("//")[0] if "TODO" not in text else text
        for pattern, cure, allowed in BANNED:
            if re.search(pattern, code) and part not in allowed and not name_is_test and "NOLINT" not in text:
                yield f"{file}:{number}: error: '{re.search(pattern, code)[0].strip()}' is banned here: {cure}"
    header = file.suffix == ".h" and not name_is_test and "detail" not in file.parts and "kit" not in file.parts
    if header:
        top = "\n".join(lines[:40])
        for wanted in ("Errors:", "Thread-safety:"):
            if wanted not in top and wanted.lower() not in top.lower():
                yield f"{file}:1: error: no '{wanted}' in the header's contract: say it in a sentence"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    errors = []
    for file in sorted((root / "src").rglob("*")):
        if file.suffix in (".h", ".cpp"):
            part = file.relative_to(root / "src").parts[0]
            test = re.search(r"(^|_)test(ing|s)?(_|$)|_fixture$|_fuzz$", file.stem) is not None
            errors += check_file(file, part, test)
    print("\n".join(errors) or "tidy: nothing to say")
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
