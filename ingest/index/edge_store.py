"""Generations as directories of the embedded engine.

::

    <root>/CURRENT                  name of the generation that readers open
    <root>/<name>/manifest.json     its spec; written last, so it says that the directory is whole
    <root>/<name>/shard/            the engine's files
    <root>/<name>.lock              held while a process has the shard open; contains its pid

The engine lets one process open a shard, readers included (its write-ahead log is locked), so
there is one lock for reading and writing; whoever comes second waits a few seconds for it. Within
one store a generation is opened once and shared. Another generation is another lock: a new one
can be built while a service answers from the old one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ingest.index.base import Index, IndexFailure, IndexLocked, IndexMissing, IndexSpec
from ingest.index.edge import EdgeIndex, EdgeShard
from ingest.index.generations import Manifest, is_name, made_for, new_name
from ingest.index.layout import Layout

LOCK_WAIT = 5.0
"""Seconds that opening waits for another process; a search beside a search needs one."""

_LOCK_POLL = 0.05


class _Opened:
    """A shard that this store has open, and how many indexes use it."""

    def __init__(self, shard: EdgeShard, manifest: Manifest, lock: FileLock) -> None:
        self.shard = shard
        self.manifest = manifest
        self.lock = lock
        self.users = 0
        self.was_published = False


class EdgeStore:
    """``IndexStore`` in a directory, which is made when something is first written."""

    def __init__(
        self, root: Path, *, layout: Layout | None = None, lock_wait: float = LOCK_WAIT
    ) -> None:
        self._root = root
        self._layout = layout or Layout()
        self._lock_wait = lock_wait
        self._opened: dict[str, _Opened] = {}
        self._opening = asyncio.Lock()

    async def open_current(self) -> EdgeIndex:
        name = self._current()
        while name is not None:
            with suppress(IndexMissing):
                return await self._open(name, is_new=False)
            # Published anew while we waited for the lock of one that is gone now.
            name, tried = self._current(), name
            if name == tried:
                break
        raise IndexMissing(f"no index in {self._root} yet: run `why ingest` first")

    async def open_for_writing(
        self, spec: IndexSpec, average_length: Callable[[], float]
    ) -> EdgeIndex:
        current = self._current()
        with suppress(IndexMissing):
            if current is not None and self._manifest(current).spec == spec:
                index = await self._open(current, is_new=False)
                # A process that was killed in ``publish`` leaves the one before.
                await asyncio.to_thread(self._drop, self._older_than(current))
                return index
        for name in self._unfinished(spec, current):
            with suppress(IndexMissing):
                return await self._open(name, is_new=True)
        return await self._create(Manifest(spec=spec, average_length=average_length()))

    async def begin(self, spec: IndexSpec, average_length: float) -> EdgeIndex:
        return await self._create(Manifest(spec=spec, average_length=average_length))

    async def publish(self, index: Index) -> None:
        if not isinstance(index, EdgeIndex):
            raise TypeError("an index of another store can't be published here")
        await index.flush()
        with self._reported():
            _write_atomically(self._root / "CURRENT", index.name, self._root / index.name)
        index.mark_published()
        self._opened[index.name].was_published = True
        await asyncio.to_thread(self._drop, self._names() - {index.name})

    async def aclose(self) -> None:
        for name in list(self._opened):
            await self._close(name)

    # -- opening ---------------------------------------------------------------------------

    async def _open(self, name: str, *, is_new: bool) -> EdgeIndex:
        """Raises IndexMissing where the generation is gone, IndexLocked, IndexFailure."""
        async with self._opening:
            opened = self._opened.get(name)
            if opened is None:
                lock = await self._lock(name)
                try:
                    manifest = self._manifest(name)
                    shard = await EdgeShard.load(self._shard_path(name))
                except BaseException:
                    lock.release()
                    raise
                opened = self._opened[name] = _Opened(shard, manifest, lock)
            opened.was_published |= not is_new
            return self._shared(name, opened, is_new=is_new)

    async def _create(self, manifest: Manifest) -> EdgeIndex:
        name = new_name(manifest.spec)
        with self._reported():
            self._root.mkdir(parents=True, exist_ok=True)
        async with self._opening:
            lock = await self._lock(name)
            try:
                with self._reported():
                    shard = await EdgeShard.create(
                        self._shard_path(name), manifest.spec.dimensions, self._layout
                    )
                    home = self._root / name
                    text = manifest.model_dump_json(indent=2)
                    _write_atomically(home / "manifest.json", text, home)
                    _sync_directory(self._root)
            except BaseException:
                lock.release()
                raise
            opened = self._opened[name] = _Opened(shard, manifest, lock)
            return self._shared(name, opened, is_new=True)

    def _shared(self, name: str, opened: _Opened, *, is_new: bool) -> EdgeIndex:
        opened.users += 1

        async def on_close() -> None:
            opened.users -= 1
            if opened.users == 0:
                await self._close(name)

        return EdgeIndex(
            name,
            opened.manifest,
            opened.shard,
            layout=self._layout,
            is_new=is_new,
            on_close=on_close,
        )

    async def _close(self, name: str) -> None:
        opened = self._opened.pop(name, None)
        if opened is not None:
            try:
                await opened.shard.aclose()
            finally:
                opened.lock.release()
            if opened.was_published:
                await asyncio.to_thread(self._drop_replaced, name)

    async def _lock(self, name: str) -> FileLock:
        path = self._lock_path(name)
        lock = FileLock(path, thread_local=False)
        give_up = time.monotonic() + self._lock_wait
        while True:
            with self._reported(), suppress(Timeout):
                lock.acquire(blocking=False)
                path.write_text(str(os.getpid()))
                return lock
            if time.monotonic() >= give_up:
                raise IndexLocked(
                    f"{_holder(path)} has the index in {self._root} open, and the embedded index "
                    "serves one process at a time: stop that one or wait until it is done, or set "
                    "QDRANT_URL to share a Qdrant server"
                )
            await asyncio.sleep(_LOCK_POLL)

    # -- the directory ---------------------------------------------------------------------

    def _lock_path(self, name: str) -> Path:
        return self._root / f"{name}.lock"

    def _shard_path(self, name: str) -> Path:
        return self._root / name / "shard"

    def _current(self) -> str | None:
        path = self._root / "CURRENT"
        with self._reported():
            if not path.exists():
                return None
            name = path.read_text(encoding="utf-8", errors="replace").strip()
        if not is_name(name):
            raise IndexFailure(
                f"{path} does not name an index: delete {self._root} and run `why ingest` again"
            )
        return name

    def _manifest(self, name: str) -> Manifest:
        """Raises IndexMissing where the whole directory is gone, IndexFailure where damaged."""
        path = self._root / name / "manifest.json"
        with self._reported():
            if not path.parent.exists():
                raise IndexMissing(f"{path.parent} is gone: run `why ingest` again")
            try:
                return Manifest.model_validate_json(path.read_bytes())
            except (FileNotFoundError, ValidationError) as error:
                reason = "is missing" if isinstance(error, OSError) else "can't be read"
                raise IndexFailure(
                    f"{path} {reason}, so the index there is damaged: delete {path.parent} and "
                    "run `why ingest` again"
                ) from error

    def _names(self) -> set[str]:
        if not self._root.is_dir():
            return set()
        return {path.name for path in self._root.iterdir() if is_name(path.name)}

    def _older_than(self, published: str) -> set[str]:
        """Generations begun before this one; one that was begun later may still be finished."""

        def begun(name: str) -> float:
            try:
                return (self._root / name / "manifest.json").stat().st_mtime
            except OSError:  # half made, or half dropped
                return 0.0

        return {name for name in self._names() if begun(name) < begun(published)}

    def _unfinished(self, spec: IndexSpec, current: str | None) -> Iterator[str]:
        for name in sorted(self._names()):
            if name != current and made_for(name, spec):
                with suppress(IndexFailure):  # a run that died while it made the directory
                    if self._manifest(name).spec == spec:
                        yield name

    def _drop_replaced(self, name: str) -> None:
        """Whoever published the next one could not drop this one while we had it open."""
        with suppress(IndexFailure):
            if self._current() not in (None, name):
                self._drop({name})

    def _drop(self, names: set[str]) -> None:
        """What somebody still has open stays until that one closes it."""
        for name in sorted(names - self._opened.keys()):
            with suppress(Timeout, OSError), FileLock(self._lock_path(name), blocking=False):
                # First what makes it look whole, in case this is interrupted.
                (self._root / name / "manifest.json").unlink(missing_ok=True)
                shutil.rmtree(self._root / name)
                self._lock_path(name).unlink(missing_ok=True)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except Timeout:
            raise
        except OSError as error:
            raise IndexFailure(
                f"the index directory {self._root} can't be used: {error}"
            ) from error


def _holder(lock: Path) -> str:
    try:
        pid = int(lock.read_text())
    except (OSError, ValueError):
        return "another process"
    return "this process" if pid == os.getpid() else f"another process (pid {pid})"


def _write_atomically(path: Path, text: str, generation: Path) -> None:
    """Readers see the old text or the new one, also after a power cut.

    The new text is prepared in the directory of the generation, which is locked.
    """
    prepared = generation / f"{path.name}.new"
    with prepared.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(prepared, path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
