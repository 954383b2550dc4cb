"""Bytes to send, from memory and files, hashed and read in chunks and never copied whole."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from acclimate.errors import DataError

_HASH_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class FilePart:
    """A piece of a file."""

    path: str
    offset: int
    size: int


# A buffer is anything that memoryview takes, contiguous.
Part = Union[bytes, memoryview, FilePart]


class Payload:
    """A sequence of bytes with a name for messages. Hashed once, when first asked."""

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        self.name = name
        self._parts = [p if isinstance(p, FilePart) else memoryview(p).cast("B") for p in parts]
        self.size = sum(p.size if isinstance(p, FilePart) else p.nbytes for p in self._parts)
        self._sha256: str | None = None

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Payload:
        path = os.fspath(path)
        try:
            info = os.stat(path)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        if not stat.S_ISREG(info.st_mode):
            raise DataError(f"{path} is not a regular file")
        if info.st_size == 0:
            raise DataError(f"{path} is empty")
        return cls(Path(path).name, [FilePart(path, 0, info.st_size)])

    @property
    def sha256(self) -> str:
        """64 hex digits."""
        return self.hash()

    def hash(self) -> str:
        """The same, as what takes its time."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for chunk in self.chunks(0, _HASH_CHUNK_BYTES):
                digest.update(chunk)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def chunks(self, offset: int, chunk_bytes: int) -> Iterator[bytes | memoryview]:
        """From `offset` on, each of `chunk_bytes`, the last one shorter. A chunk may be a view of
        memory that the next one overwrites."""
        whole = bytearray(chunk_bytes)
        filled = 0
        for piece in self._pieces(offset, chunk_bytes):
            if filled == 0 and len(piece) == chunk_bytes:
                yield piece
                continue
            while len(piece) > 0:
                taken = min(len(piece), chunk_bytes - filled)
                whole[filled : filled + taken] = piece[:taken]
                filled += taken
                piece = piece[taken:]
                if filled == chunk_bytes:
                    yield memoryview(whole)
                    filled = 0
        if filled > 0:
            yield memoryview(whole)[:filled]

    def _pieces(self, offset: int, most: int) -> Iterator[memoryview]:
        for part in self._parts:
            size = part.size if isinstance(part, FilePart) else part.nbytes
            if offset >= size:
                offset -= size
                continue
            if isinstance(part, FilePart):
                yield from _file_pieces(part, offset, most)
            else:
                for begin in range(offset, size, most):
                    yield part[begin : begin + most]
            offset = 0


def _file_pieces(part: FilePart, offset: int, most: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(most))
    left = part.size - offset
    try:
        with open(part.path, "rb", buffering=0) as file:
            file.seek(part.offset + offset)
            while left > 0:
                got = file.readinto(buffer[: min(most, left)])
                if not got:
                    raise DataError(f"{part.path} became shorter while it was being read")
                left -= got
                yield buffer[:got]
    except OSError as error:
        raise DataError(f"cannot read {part.path}: {error.strerror}") from None
