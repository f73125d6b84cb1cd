"""mediapipe on a machine without a display's libraries, such as a bare container: empty ones take their place.

libmediapipe (1.2) asks for libEGL and libGLESv2 when it is loaded, for its graphs on GPUs. Ours run on the CPU and call
nothing of them, so that libraries of these names with nothing in them do, where it is loaded lazily.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import struct
import sys
import tempfile
from pathlib import Path

WANTED = ("libEGL.so.1", "libGLESv2.so.2")
_MACHINES = {"x86_64": 62, "aarch64": 183}  # elf.h: EM_X86_64, EM_AARCH64
_PAGE = 0x10000  # the largest page of these machines


def stand_in() -> None:
    """Before mediapipe is imported: load it with empty libraries where it would find none; nothing where it does."""
    library = _library()
    if sys.platform != "linux" or platform.machine() not in _MACHINES or library is None:
        return
    missing = [name for name in WANTED if not _is_there(name)]
    for name in missing:
        load_empty(name)
    if missing:
        dlopen = ctypes.CDLL(None).dlopen  # ctypes' own binds every function at once
        dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        dlopen(os.fsencode(library), os.RTLD_LAZY)


def load_empty(name: str) -> None:
    """Load a library without content, which from then on is the one that other libraries mean by `name`."""
    # A path of its own: a loader takes the same path for the same library, whatever has become of the file.
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / name).write_bytes(empty_library(name, _MACHINES[platform.machine()]))
        ctypes.CDLL(str(path))


def empty_library(name: str, machine: int) -> bytes:
    """The file of a shared library (ELF, 64 bits, little-endian) of that name, without a symbol.

    A header, three program headers, the tables that a loader insists on, and on a page of its own, as a loader writes
    into it, the dynamic section that points to them (Tool Interface Standard, ELF 1.2; numbers as in elf.h).
    """
    symbols, hashes, texts = bytes(24), struct.pack("<4I", 1, 1, 0, 0), b"\0" + name.encode() + b"\0"
    at_symbols = 64 + 3 * 56
    at_hashes = at_symbols + len(symbols)
    at_texts = at_hashes + len(hashes)
    entries = (  # DT_SONAME, DT_STRTAB, DT_STRSZ, DT_SYMTAB, DT_SYMENT, DT_HASH, DT_NULL
        (14, 1), (5, at_texts), (10, len(texts)), (6, at_symbols), (11, 24), (4, at_hashes), (0, 0)
    )  # fmt: skip
    dynamic = b"".join(struct.pack("<2Q", *entry) for entry in entries)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<2HI3QI6H", 3, machine, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0)  # 3: ET_DYN
    segments = (  # kind (PT_LOAD, PT_DYNAMIC), flags (4 read, 2 write), place, size, alignment
        (1, 4, 0, at_texts + len(texts), _PAGE), (1, 6, _PAGE, len(dynamic), _PAGE), (2, 6, _PAGE, len(dynamic), 8)
    )  # fmt: skip
    heads = b"".join(
        struct.pack("<2I6Q", kind, flags, place, place, place, size, size, alignment)
        for kind, flags, place, size, alignment in segments
    )
    return (header + heads + symbols + hashes + texts).ljust(_PAGE, b"\0") + dynamic


def _is_there(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _library() -> Path | None:
    """mediapipe's library in C, which is not imported for it."""
    spec = importlib.util.find_spec("mediapipe")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (found := Path(folder) / "tasks" / "c" / "libmediapipe.so").is_file():
            return found
    return None
