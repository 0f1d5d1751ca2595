"""What the crash tests run in a process of its own; imports nothing heavy."""

from pathlib import Path

from anadil import durable

OLD, NEW = b"old content", b"new content, longer than the old one"


def write_all(folder: Path) -> None:
    """What a stage does: a file replaced, a folder of files, then the marker that says that both are there."""
    durable.write_bytes(folder / "file", NEW, "file")
    with durable.new_folder(folder / "folder", "folder") as temporary:
        (temporary / "a").write_bytes(NEW)
        (temporary / "deep").mkdir()
        (temporary / "deep" / "b").write_bytes(NEW)
    durable.write_bytes(folder / "manifest.json", b"done", "manifest")
