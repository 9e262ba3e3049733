# SPDX-License-Identifier: MIT
"""tests/demo and tests/run by sudo in somebody's folder: what they build there is his, and he can build beside it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
OWNER = 1
CMAKE = "#!/bin/sh\nmkdir -p .build/demo\ntouch .build/demo/made\nexit {status}\n"


# What fails, and what is only built: a run that builds would go on to the tests.
@pytest.mark.parametrize("words, status", [(["tests/demo", "--no-install"], 0), (["tests/demo", "--no-install"], 1),
                                           (["tests/run", "--quick", "--no-install"], 1)])
def test_what_root_builds_is_of_the_owner_of_the_folder(tmp_path, words, status):
    folder, tools = tmp_path / "tree", tmp_path / "tools"
    (folder / "tests").mkdir(parents=True)
    tools.mkdir()
    shutil.copy(TOP / words[0], folder / "tests")
    (tools / "cmake").write_text(CMAKE.format(status=status))
    (tools / "cmake").chmod(0o755)
    os.chown(folder, OWNER, OWNER)
    done = subprocess.run(words, cwd=folder, env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    made = [folder / ".build", *(folder / ".build").rglob("*")]
    assert folder / ".build/demo/made" in made
    others = [str(path) for path in made if path.stat().st_uid != OWNER]
    assert not others, (others, done.stdout + done.stderr)
