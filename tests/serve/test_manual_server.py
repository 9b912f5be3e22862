"""The page on the server: its commands work one after another as they stand, and it names every route."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.serve.serving import Served

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "memory-server.md").read_text()


def test_the_commands_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    script = "\n".join(block for block in blocks if not block.startswith("pip")).replace("8484", port)
    script = script.replace(" agent.db &", f" agent.db --port {port} &")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    with (tmp_path / "said.txt").open("w+") as said:
        running = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nkill %1; wait %1 || true"], cwd=tmp_path, stdout=said,
            stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            status = running.wait(120)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
        said.seek(0)
        text = said.read()
    assert status == 0, text
    assert "NO TOKEN IS NEEDED" in text and '"counted":true' in text and '"op":"UPDATE"' in text
    made = json.loads((tmp_path / "agent.json").read_text())
    assert made["namespace"] == "org/support" and made["token"].split("_", 2)[2] not in text


def test_the_page_names_every_route_and_is_in_the_manual(running: Served) -> None:
    paths = running.bare().get("/openapi.json").json()["paths"]
    for path in paths:
        shown = path if path in PAGE else "/" + path.rsplit("/", 1)[1]
        assert f"`{shown}`" in PAGE or f" {shown}`" in PAGE or path.startswith(OVERVIEWS), path
    assert ": memory-server.md\n" in (ROOT / "mkdocs.yml").read_text()


OVERVIEWS = ("/v1/token", "/v1/search", "/v1/tasks", "/v1/receipts/", "/v1/memories/", "/v1/floor/")
"""What the page in the browser asks besides; the page on that page tells of it."""
