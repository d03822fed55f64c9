# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import pytest
from cli_support import DEADLINE_S, HERE, SONDE, FakeCollector, environment


@pytest.fixture
def fake():
    collector = FakeCollector()
    yield collector
    collector.stop()


@pytest.fixture
def sonde(fake):
    """sonde("ps", "--json", env={...}) -> CompletedProcess with text output."""

    def run(*args, env=None, binary=SONDE, **kwargs):
        settings = {"SONDE_SERVER": fake.url}
        settings.update(env or {})
        return subprocess.run([binary, *args], env=environment(**settings), text=True,
                              capture_output=True, timeout=DEADLINE_S, **kwargs)

    return run


@pytest.fixture
def golden():
    def check(name, text):
        path = HERE / "golden" / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        assert path.exists(), f"no golden file {name}"
        assert text == path.read_text()

    return check
