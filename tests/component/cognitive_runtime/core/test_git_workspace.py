"""A workspace that is a clone of a real git repository, served over https."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.application import ToolRun
from cognitive_runtime.domain import NoSideEffects, ToolSettings, ToolsUnavailable, Workspace
from support.builders.runtime_requests import execution_request
from support.servers.git_server import git, git_server, write_certificate

pytestmark = pytest.mark.component
CANARY = "canary-51d0"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of 127.0.0.1, in one file."""
    return write_certificate(tmp_path_factory.mktemp("certificate") / "both.pem")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a repository that has a link, a submodule, a filter and a branch."""
    root = tmp_path_factory.mktemp("git")
    outside = root / "outside"
    outside.mkdir()
    (outside / "secret").write_text(CANARY)
    git(outside, "init", "-q", "-b", "main")
    git(outside, "add", ".")
    git(outside, "commit", "-qm", "outside")
    work = root / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "deploy.yaml").write_text("replicas: three\n")
    (work / "escape").symlink_to(outside / "secret")
    (work / ".gitattributes").write_text("*.yaml filter=evil\n")
    git(work, "submodule", "add", "-q", str(outside), "sub")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(work, "checkout", "-qb", "fixed")
    (work / "deploy.yaml").write_text("replicas: 3\n")
    git(work, "commit", "-qam", "second")
    git(root, "clone", "-q", "--bare", str(work), "served.git")
    (root / "served.git" / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch pwned\n")
    return root


@pytest.fixture(scope="module")
def url(repository: Path, certificate: Path) -> Iterator[str]:
    """URL of the repository."""
    with git_server(repository, certificate) as address:
        yield f"{address}/served.git"


@pytest.fixture(autouse=True)
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node's owner trusts the server."""
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))


async def opened(url: str, ref: str | None = None) -> ToolRun:
    settings = ToolSettings(workspace=Workspace("Git", url=url, ref=ref))
    request = execution_request(tools=settings)
    run = ToolRun(request, settings, Toolboxes(lambda *_: "").open(request), NoSideEffects(), SystemClock())
    await run.open()
    return run


@pytest.mark.parametrize(("ref", "content"), [(None, "replicas: 3\n"), ("main", "replicas: three\n")])
async def test_a_branch_is_cloned_and_read(url: str, ref: str | None, content: str) -> None:
    run = await opened(url, ref)
    assert (await run.call("read_file", {"path": "deploy.yaml"}))["answer"] == content
    await run.close()


async def test_a_clone_has_no_git_folder_no_links_and_no_submodule(url: str) -> None:
    run = await opened(url)
    names = (await run.call("list_files", {}))["answer"].splitlines()
    assert names == [".gitattributes", ".gitmodules", "deploy.yaml", "escape", "sub/"]
    assert (await run.call("list_files", {"path": "sub"}))["answer"] == "(empty)"
    escape = (await run.call("read_file", {"path": "escape"}))["answer"]
    assert escape.endswith("/outside/secret")
    assert CANARY not in escape
    assert (await run.call("search_files", {"text": CANARY}))["answer"] == "(no match)"
    await run.close()


async def test_a_clone_is_deleted_with_its_attempt(url: str) -> None:
    run = await opened(url)
    toolbox: Any = run._toolbox
    folder = toolbox._workspace._temporary
    assert (folder / "files" / "deploy.yaml").exists()
    await run.close()
    assert not folder.exists()


async def test_a_ref_that_is_not_there_is_unavailable(url: str) -> None:
    with pytest.raises(ToolsUnavailable, match="git ended with"):
        await opened(url, "absent")


async def test_an_untrusted_server_is_unavailable(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    with pytest.raises(ToolsUnavailable, match="git ended with"):
        await opened(url)


async def test_a_configuration_of_the_worker_is_not_used(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    (hooks / "post-checkout").chmod(0o755)
    settings = f'[core]\nhooksPath = {hooks}\n[filter "evil"]\nsmudge = touch {tmp_path}/filtered\n'
    (tmp_path / ".gitconfig").write_text(settings)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {tmp_path}/ssh")
    run = await opened(url)
    await run.close()
    assert sorted(os.listdir(tmp_path)) == [".gitconfig", "hooks"]
