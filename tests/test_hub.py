"""hub: a base is a folder, or a hub id with its commit, and never a guess."""

import json
from pathlib import Path

import pytest

from anadil import hub
from anadil.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert hub.local_folder(str(tmp_path), None) == tmp_path
    assert not hub.is_on_hub(str(tmp_path), COMMIT)


@pytest.mark.parametrize("path", ["/nowhere/model", "./model", "model", "a/b/c"])
def test_what_is_neither_folder_nor_id_is_refused(path: str) -> None:
    with pytest.raises(UserError, match="no folder at"):
        hub.is_on_hub(path, COMMIT)


def test_a_hub_id_needs_its_commit_and_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"base\.revision"):
        hub.local_folder("org/model", None)
    for moving in ("main", "v1.0", COMMIT[:12], COMMIT + "0"):
        with pytest.raises(UserError, match=r"base\.revision .* is no commit"):
            hub.is_on_hub("org/model", moving)
    assert hub.is_on_hub("org/model", COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=COMMIT):
        hub.local_folder("org/model", COMMIT)


def test_rows_and_tokens_must_fit(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 10}))
    hub.check_rows(tmp_path, 10)
    with pytest.raises(UserError, match="11 tokens"):
        hub.check_rows(tmp_path, 11)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        hub.check_rows(tmp_path, 10)
