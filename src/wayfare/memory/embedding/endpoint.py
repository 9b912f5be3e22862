"""Vectors from any server that speaks OpenAI's /v1/embeddings.

    Memory("agent.db", embedder="openai:text-embedding-3-small@https://api.openai.com/v1")

Uses the standard library alone. The key is read from the environment (OPENAI_API_KEY) when a request is made, and is
never stored. A busy (429) or failing (5xx) server is asked again, later each time.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wayfare.errors import BadValue, Unavailable
from wayfare.memory.embedding import Vectors, unit_rows

__all__ = ["Endpoint"]

KEY = "OPENAI_API_KEY"
PROBE = "What did the agent learn?"
LONGEST_WAIT = 30.0


class Endpoint:
    """A model behind an address.

    url: up to and with its version (http://127.0.0.1:8000/v1)        dimension: None asks the server once
    batch: texts a request        attempts: at one request        timeout: seconds for each
    key: name of the environment variable with the key; where it is unset, none is sent

    Raises: BadValue for arguments and for an answer of another form; Unavailable when the server does not answer.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        dimension: int | None = None,
        batch: int = 128,
        attempts: int = 4,
        timeout: float = 30.0,
        key: str = KEY,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not name:
            raise BadValue("embedder", name, "the name of a model")
        if not url.startswith(("http://", "https://")):
            raise BadValue("embedder", url, "openai:MODEL@URL with an http or https address")
        if batch < 1 or attempts < 1 or not timeout > 0:
            raise BadValue("batch, attempts, timeout", (batch, attempts, timeout), "above 0")
        self.name, self.url, self.batch, self.attempts, self.timeout, self.key = (
            name, url.rstrip("/"), batch, attempts, timeout, key,
        )  # fmt: skip
        self._dimension, self._sleep = dimension, sleep

    @property
    def model(self) -> str:
        """Names the space: the model and where it is served."""
        return f"openai:{self.name}@{self.url}"

    @property
    def dimension(self) -> int:
        """D; asked of the server where it was not given."""
        if self._dimension is None:
            self._dimension = int(self._asked([PROBE]).shape[1])
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[N, D] float32, rows of length 1."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        parts = [self._asked(texts[i : i + self.batch]) for i in range(0, len(texts), self.batch)]
        return np.concatenate(parts)

    def embed_query(self, text: str) -> Vectors:
        """[D] float32."""
        found: Vectors = self.embed([text])[0]
        return found

    def _asked(self, texts: Sequence[str]) -> Vectors:
        answer = self._posted({"model": self.name, "input": list(texts), "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            if [row["index"] for row in rows] != list(range(len(texts))):
                raise BadValue("vectors", f"{len(rows)} of {len(texts)}", "one for each text")
            vectors = [row["embedding"] for row in rows]
        except (KeyError, TypeError) as error:
            raise BadValue("answer", str(answer)[:200], "of the form of /v1/embeddings") from error
        found = unit_rows(vectors, len(texts), self._dimension)
        self._dimension = int(found.shape[1])
        return found

    def _posted(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if os.environ.get(self.key):
            headers["Authorization"] = f"Bearer {os.environ[self.key]}"
        data = json.dumps(body).encode()
        for attempt in range(1, self.attempts + 1):
            request = urllib.request.Request(f"{self.url}/embeddings", data, headers)
            wait = min(0.5 * 2 ** (attempt - 1), LONGEST_WAIT)
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                said = error.read(500).decode("utf-8", "replace")
                if error.code != 429 and error.code < 500:
                    raise BadValue("embedder", self.model, f"answered by the server ({error.code}: {said})") from error
                failure, wait = f"{error.code}: {said}", _asked_to_wait(error, wait)
            except ValueError as error:
                raise BadValue("answer", str(error), "JSON") from error
            except OSError as error:  # no connection, or a time-out
                failure = str(error)
            if attempt < self.attempts:
                self._sleep(wait)
        raise Unavailable(f"{self.url} gave no vectors in {self.attempts} attempts; the last: {failure}")


def _asked_to_wait(error: urllib.error.HTTPError, wait: float) -> float:
    after = error.headers.get("Retry-After", "")
    return min(float(after), LONGEST_WAIT) if after.isdigit() else wait
