"""Lets the PyPI wheel of torch run on the CPU without a single GPU package.

The wheel's libraries name GPU libraries that are not here, so the loader would refuse them. For each
such name this makes a small library of the same soname that defines what is wanted, in the symbol
versions that are wanted; every function of it answers 100, "no device", and those whose answer
is a text answer "no CUDA". torch then finds no GPU and uses the CPU. The GPU code inside
libtorch_cuda is given back to the file system as a hole, and the GPU packages leave torch's
METADATA so that pip does not ask for them later.

Usage: stand_ins.py SITE_PACKAGES. Needs `as` and `ld`. Prints one line per library: name, symbols, SHA-256.
"""
import ctypes
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile

GPU_LIBRARY = re.compile(r"^lib(cu|nv|nccl)[A-Za-z_]*[-.0-9A-Za-z]*\.so")
GPU_SYMBOL = re.compile(r"^(_*cu[a-zA-Z]|nccl|nvrtc|nvshmem|_*nv[A-Z]|nvtx|nvJit)")
GPU_REQUIREMENT = re.compile(r"^Requires-Dist: (cuda|nvidia|triton)", re.IGNORECASE)
DRIVER = "libcuda.so.1"  # looked up at run time only, and rightly absent
SECTION_DYNAMIC, SECTION_DYNSYM, SECTION_VERNEED, SECTION_VERSYM = 6, 11, 0x6FFFFFFE, 0x6FFFFFFF
DT_NEEDED, UNDEFINED, GLOBAL = 1, 0, 1
PUNCH_HOLE_KEEP_SIZE = 3

BODIES = {
    "x86_64": ("mov $100, %eax\n ret", "lea no_cuda(%rip), %rax\n ret"),
    "aarch64": ("mov w0, #100\n ret", "adrp x0, no_cuda\n add x0, x0, :lo12:no_cuda\n ret"),
}


class Elf:
    """The dynamic part of a 64-bit little-endian ELF file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("no 64-bit ELF file: " + path)
        at, = struct.unpack_from("<Q", self.data, 0x28)
        size, count, names = struct.unpack_from("<HHH", self.data, 0x3A)
        # name, type, flags, address, offset, size, link, info, alignment, entry size
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, at + i * size)
                         for i in range(count)]
        self.names = self.sections[names]
        self.needed, self.defined, self.wanted = set(), set(), set()
        self._needed()
        self._symbols()

    def _string(self, table, offset):
        start = table[4] + offset
        return self.data[start:self.data.index(b"\0", start)].decode()

    def _of_type(self, kind):
        return [s for s in self.sections if s[1] == kind]

    def section(self, name):
        return next((s for s in self.sections if self._string(self.names, s[0]) == name), None)

    def _needed(self):
        for section in self._of_type(SECTION_DYNAMIC):
            strings = self.sections[section[6]]
            for tag, value in struct.iter_unpack("<QQ", self.data[section[4]:section[4] + section[5]]):
                if tag == DT_NEEDED:
                    self.needed.add(self._string(strings, value))

    def _versions(self):
        """Version index -> (library, version) of the versions wanted from other libraries."""
        found = {}
        for section in self._of_type(SECTION_VERNEED):
            strings, at = self.sections[section[6]], section[4]
            for _ in range(section[7]):
                _, count, file, aux, following = struct.unpack_from("<HHIII", self.data, at)
                inner = at + aux
                for _ in range(count):
                    _, _, other, name, after = struct.unpack_from("<IHHII", self.data, inner)
                    found[other & 0x7FFF] = (self._string(strings, file), self._string(strings, name))
                    inner += after
                at += following
        return found

    def _symbols(self):
        versions = self._versions()
        indices = self._of_type(SECTION_VERSYM)
        for section in self._of_type(SECTION_DYNSYM):
            strings = self.sections[section[6]]
            for i in range(1, section[5] // 24):
                name, info, _, where, _, _ = struct.unpack_from("<IBBHQQ", self.data, section[4] + i * 24)
                text = self._string(strings, name)
                if where != UNDEFINED:
                    self.defined.add(text)
                elif info >> 4 == GLOBAL:
                    index = struct.unpack_from("<H", self.data, indices[0][4] + 2 * i)[0] if indices else 0
                    self.wanted.add((text,) + versions.get(index & 0x7FFF, ("", "")))


def what_to_make(folder, own):
    """Library name -> version ("" for none) -> symbols, for the libraries that are not here."""
    elves = [Elf(os.path.join(folder, name)) for name in own]
    defined = set().union(*(e.defined for e in elves))
    missing = {n for e in elves for n in e.needed if GPU_LIBRARY.match(n)} - set(own) - {DRIVER}
    make = {name: {} for name in missing}
    if not missing:
        return make
    runtime = next((n for n in sorted(missing) if n.startswith("libcudart")), min(missing))
    for text, library, version in sorted(set().union(*(e.wanted for e in elves))):
        if text in defined:
            continue
        if not library and GPU_SYMBOL.match(text):
            library = runtime
        if GPU_LIBRARY.match(library) and library not in own:
            make.setdefault(library, {}).setdefault(version, set()).add(text)
    return make


def make_library(path, name, versions):
    number, text = BODIES[os.uname().machine]
    lines = ['.section .note.GNU-stack,"",%progbits', ".section .rodata", 'no_cuda: .asciz "no CUDA"', ".text"]
    for symbol in sorted(set().union(*versions.values())):
        body = text if "ErrorString" in symbol or "ErrorName" in symbol else number
        lines += [".globl " + symbol, ".type %s, %%function" % symbol, symbol + ": " + body]
    script = ["%s { global: %s; };" % (version, "; ".join(sorted(symbols)))
              for version, symbols in sorted(versions.items()) if version]
    with tempfile.TemporaryDirectory() as work:
        with open(work + "/s.s", "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(work + "/s.map", "w") as file:
            file.write("\n".join(script) + "\n")
        subprocess.run(["as", "-o", work + "/s.o", work + "/s.s"], check=True)
        command = ["ld", "-shared", "--build-id=none", "-soname", name, "-o", path, work + "/s.o"]
        subprocess.run(command + (["--version-script=" + work + "/s.map"] if script else []), check=True)


def free_gpu_code(path):
    section = Elf(path).section(".nv_fatbin")
    if section is None:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "r+b") as file:
        done = libc.fallocate(file.fileno(), PUNCH_HOLE_KEEP_SIZE, ctypes.c_long(section[4]), ctypes.c_long(section[5]))
    return section[5] if done == 0 else 0


def forget_gpu_packages(site):
    for folder in os.listdir(site):
        path = os.path.join(site, folder, "METADATA")
        if re.match(r"torch-.*\.dist-info$", folder) and os.path.exists(path):
            with open(path) as file:
                lines = [line for line in file if not GPU_REQUIREMENT.match(line)]
            with open(path, "w") as file:
                file.writelines(lines)


def main():
    site = sys.argv[1]
    folder = os.path.join(site, "torch", "lib")
    own = sorted(n for n in os.listdir(folder) if ".so" in n and not os.path.islink(os.path.join(folder, n)))
    for name, versions in sorted(what_to_make(folder, own).items()):
        path = os.path.join(folder, name)
        make_library(path, name, versions or {"": set()})
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        print("stand-in", name, sum(map(len, versions.values())), "sha256:" + digest)
    for name in own:
        if name.startswith("libtorch_cuda"):
            print("freed", name, free_gpu_code(os.path.join(folder, name)))
    forget_gpu_packages(site)


main()
