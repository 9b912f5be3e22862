"""A loop without seams on the same model: FOLDER NEW -> one JSON line. What an eager loop can do, and nothing more.

It draws with the model's own cache, one multinomial a token, and takes one clipped policy-gradient step; `generate` is
the time of the same answers by `model.generate`, so that the loop's own sampling is seen to be no straw man.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import DynamicCache

sys.path.insert(0, str(Path(__file__).parent))
from language_work import PROMPTS, SAMPLES, now, reward, rows, since, tell, timed


def main() -> None:
    """See the module."""
    folder, new = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6)
    data = [tokenizer(row["prompt"])["input_ids"] for row in rows(folder)]
    drawing: list[float] = []
    at = 0

    def drawn(ids: torch.Tensor) -> torch.Tensor:
        cache, feed, tokens = DynamicCache(), ids, []
        with torch.no_grad():
            for _ in range(new):
                logits = model(input_ids=feed, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
                feed = torch.multinomial(logits.float().softmax(dim=-1), 1)
                tokens.append(feed)
        return torch.cat(tokens, dim=1)

    def step() -> None:
        nonlocal at
        some = [data[(at + i) % len(data)] for i in range(PROMPTS)]
        at += PROMPTS
        ids = torch.tensor(some).repeat_interleave(SAMPLES, dim=0)
        began = now()
        answers = drawn(ids)
        drawing.append(since(began)[1])
        earned = torch.tensor(reward(answers.tolist())).view(PROMPTS, SAMPLES)
        gain = ((earned - earned.mean(1, keepdim=True)) / (earned.std(1, keepdim=True) + 1e-4)).flatten()
        whole = torch.cat([ids, answers], dim=1)
        logits = model(input_ids=whole, logits_to_keep=new + 1).logits[:, :-1].float()
        logp = logits.log_softmax(dim=-1).gather(2, answers.unsqueeze(2)).squeeze(2)
        rho = (logp - logp.detach()).exp()
        loss = -torch.minimum(rho * gain[:, None], rho.clamp(0.8, 1.2) * gain[:, None]).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    seconds = timed(step, folder)
    ids = torch.tensor(data[:PROMPTS]).repeat_interleave(SAMPLES, dim=0)
    asked = {"do_sample": True, "max_new_tokens": new, "min_new_tokens": new, "top_k": 0, "pad_token_id": 0}
    generate = timed(lambda: model.generate(ids, attention_mask=torch.ones_like(ids), **asked), folder)
    tell(seconds, draw_cpu=statistics.median(drawing), generate_cpu=statistics.median(cpu for _, cpu in generate))


if __name__ == "__main__":
    main()
