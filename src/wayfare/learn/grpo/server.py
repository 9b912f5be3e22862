"""Answers drawn by an inference server that takes LoRA adapters while it runs, as vLLM does, from the weights of now.

    vllm serve BASE --enable-lora --max-lora-rank 64 --logprobs-mode processed_logprobs     # with
    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True

    rollout = ServerRollout("http://localhost:8000/v1", folder="adapters")
    GRPO(base, rewards, rows, GRPOConfig(importance_sampling_cap=2.0), peft_config=lora, rollout=rollout)

Where weights have moved since the server drew last, the adapter is saved and loaded by the server under a name of its
own; what is asked for then is answered by that name alone, and the one before is unloaded. Token ids and
log-probabilities are asked for and required: a text that is tokenised again is not what was drawn. The server's
arithmetic is not the trainer's: behaviour_logps are the server's, old_logps by the time they are learned from those of
a pass of the trainer, and the truncated weight between them (`GRPOConfig.importance_sampling_cap`) corrects the loss.

Not tested with vLLM: with a local server that answers the same three endpoints over a tiny model.

Source: the endpoints `/v1/completions`, `/v1/load_lora_adapter` and `/v1/unload_lora_adapter` of vLLM; names of fields
and flags are recalled, and were not checked against a running server; the weight: see `wayfare.learn.policy_gradient`,
(5).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra, ServerFailed
from wayfare.language.causal import CausalModel
from wayfare.learn.grpo.rollout import ATTEMPTS, left_padded
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["ServerRollout"]

SEEDS = 2**31 - 1


class ServerRollout:
    """address:  of the server, up to /v1        folder: where adapters are saved, seen by the server under `seen_as`
    temperature, top_p:  of the sampler; others than 1 need a server that tells log-probabilities of what it drew from
    processed:   says that it does        stop: texts at which an answer ends
    at_once:     answers in flight        timeout: seconds for each        retries: of one that failed
    key:         sent as a bearer token

    Raises: BadValue for a number out of range, or a temperature without `processed`; MissingExtra without httpx.
    """

    elsewhere = True
    """See `wayfare.learn.grpo.seams.Rollout`."""
    free = ("at_once", "name", "retries", "seen_as")
    """See `wayfare.learn.grpo.identity`."""

    def __init__(
        self, address: str, folder: str | Path, *, seen_as: str | None = None, name: str = "wayfare",
        temperature: float = 1.0, top_p: float = 1.0, processed: bool = False, stop: tuple[str, ...] = (),
        at_once: int = 64, timeout: float = 300.0, retries: int = 2, key: str = "",
    ) -> None:  # fmt: skip
        if not 0 < temperature < math.inf or not 0 < top_p <= 1:
            raise BadValue("temperature, top_p", (temperature, top_p), "above 0; above 0 and at most 1")
        if (temperature != 1 or top_p != 1) and not processed:
            raise BadValue("temperature, top_p", (temperature, top_p), "1, unless the server tells processed log-probs")
        if at_once < 1 or retries < 0 or timeout <= 0:
            raise BadValue("at_once, retries, timeout", (at_once, retries, timeout), "at least 1, at least 0, above 0")
        try:
            import httpx
        except ImportError:
            raise MissingExtra("answers from a server", "lm") from None
        self.address, self.folder, self.seen_as = address.rstrip("/"), Path(folder), seen_as
        self.name, self.temperature, self.top_p, self.stop = name, temperature, top_p, tuple(stop)
        self.at_once, self.retries = at_once, retries
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers)
        self._errors: type[Exception] = httpx.HTTPError
        self.loaded: str | None = None
        """Name of the adapter that answers."""
        self._weights, self._updates = list[Tensor](), 0

    def collect(self, model: CausalModel, asked: Asked) -> RolloutBatch:
        """See `wayfare.learn.grpo.seams.Rollout`.

        Raises: ServerFailed where the server does not answer; BadValue where it answers without tokens or their
        log-probabilities, or the model has no adapter.
        """
        name = self._current(model, asked.step)
        known = {key: model.encode(prompt) for key, prompt in zip(asked.keys.tolist(), asked.prompts, strict=True)}
        prompts = [known[key] for key in asked.keys.tolist()]
        stream = Stream(asked.seed, "answers of a server" if asked.train else "answers of a server in evaluation")
        at = asked.step * ATTEMPTS + asked.attempt if asked.train else 0
        seeds = stream.integers(SEEDS, asked.numbers, at).tolist()
        with ThreadPoolExecutor(self.at_once) as pool:
            each = zip(prompts, seeds, strict=True)
            told = list(pool.map(lambda row: self._answer(name, row[0], row[1], asked.new), each))
        return self._batch(model, asked, prompts, told)

    def close(self) -> None:
        """Unload what was loaded, and close the connection."""
        if self.loaded is not None:
            self._post("unload_lora_adapter", {"lora_name": self.loaded}, anything=True)
            self.loaded = None
        self._client.close()

    def _current(self, model: CausalModel, step: int) -> str:
        """The adapter of the weights of now, loaded where it is not already."""
        own = [each.detach() for each in model.module.parameters() if each.requires_grad]
        if self.loaded is not None and len(own) == len(self._weights) and all(map(torch.equal, own, self._weights)):
            return self.loaded
        self._updates += 1
        name = f"{self.name}-{step}-{self._updates}"
        place = self.folder / name
        model.save_pretrained(place)
        if not (place / "adapter_config.json").exists():
            raise BadValue("model", type(model).__name__, "one with LoRA adapters, which a server can load")
        seen = place.resolve() if self.seen_as is None else Path(self.seen_as) / name
        self._post("load_lora_adapter", {"lora_name": name, "lora_path": str(seen)})
        before, self.loaded, self._weights = self.loaded, name, [each.clone() for each in own]
        if before is not None:
            self._post("unload_lora_adapter", {"lora_name": before}, anything=True)
            shutil.rmtree(self.folder / before, ignore_errors=True)
        return name

    def _answer(self, name: str, prompt: list[int], seed: int, new: int) -> tuple[list[int], list[float], str]:
        asked = {
            "model": name, "prompt": prompt, "max_tokens": new, "temperature": self.temperature, "top_p": self.top_p,
            "seed": int(seed), "n": 1, "logprobs": 0, "return_token_ids": True, "include_stop_str_in_output": True,
            "stop": list(self.stop) or None, "add_special_tokens": False, "skip_special_tokens": False,
        }  # fmt: skip
        choice = self._post("completions", asked)["choices"][0]
        ids = choice.get("token_ids")
        logps = (choice.get("logprobs") or {}).get("token_logprobs")
        if not ids or logps is None or len(logps) != len(ids) or any(each is None for each in logps):
            raise BadValue(
                "answer of the server", {"token_ids": ids, "logprobs": logps},
                "tokens and a log-probability of each (return_token_ids, logprobs)",
            )  # fmt: skip
        return [int(token) for token in ids], [float(each) for each in logps], str(choice.get("finish_reason"))

    def _post(self, verb: str, content: Mapping[str, Any], anything: bool = False) -> Any:
        """What the server answers. anything: whether a refusal is of no matter"""
        last = ""
        for _ in range(1 + self.retries):
            try:
                found = self._client.post(f"{self.address}/{verb}", json=dict(content))
            except self._errors as error:
                last = f"{type(error).__name__}: {error}"
                continue
            if found.status_code < 300:
                return found.json() if "json" in found.headers.get("content-type", "") else {}
            last = f"{found.status_code} {found.text[:200]}"
            if found.status_code < 500:
                break
        if anything:
            return {}
        raise ServerFailed(f"{self.address}/{verb}: {last}")

    def _batch(
        self, model: CausalModel, asked: Asked, prompts: list[list[int]],
        told: list[tuple[list[int], list[float], str]],
    ) -> RolloutBatch:  # fmt: skip
        ids, valid = left_padded(prompts, model.pad)
        length = max(len(tokens) for tokens, _, _ in told)
        drawn = torch.full((len(told), length), model.pad)
        behaviour, mask = torch.zeros(len(told), length), torch.zeros(len(told), length, dtype=torch.bool)
        for row, (tokens, logps, _) in enumerate(told):
            drawn[row, : len(tokens)] = torch.tensor(tokens)
            behaviour[row, : len(tokens)] = torch.tensor(logps)
            mask[row, : len(tokens)] = True
        rows = torch.arange(len(told))
        return RolloutBatch(
            prompt_ids=ids, prompt_mask=valid, completion_ids=drawn, completion_mask=mask, loss_mask=mask.float(),
            group_id=asked.group_id, trajectory=asked.numbers, turn=torch.zeros_like(rows), behaviour_logps=behaviour,
            old_logps=behaviour, truncated=torch.tensor([finish == "length" for _, _, finish in told]),
            prompt_key=asked.keys, born_step=torch.full_like(rows, asked.step), prompts=tuple(asked.prompts),
            texts=tuple(model.decode(tokens) for tokens, _, _ in told),
        )  # fmt: skip
