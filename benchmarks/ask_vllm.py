"""Does vLLM load and answer with the delivered folder? An open row: it takes a GPU and the package vllm.

    python benchmarks/ask_vllm.py runs/quickstart

Asks the run's held-out questions, greedily, with token ids rendered by our template, and compares with transformers.
Appends a row to results/vllm.jsonl.
"""

import argparse
import json
from pathlib import Path

from anadil.commands.init import quickstart
from anadil.dialogues.read import read_rows
from anadil.engines.protocol import GenerateParams, text_of
from anadil.engines.transformers import TransformersEngine
from anadil.environment import describe
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import template_of

ROWS = Path(__file__).parent / "results" / "vllm.jsonl"
TOKENS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--questions", type=Path, default=quickstart() / "questions.jsonl")
    options = parser.parse_args()
    from vllm import LLM, SamplingParams, TokensPrompt

    folder = options.run / "export/hf"
    template = template_of(folder, load_tokenizer(folder))
    asked = [[{"role": "user", "content": row["question"]}] for _, row in read_rows(options.questions)]
    prompts = [TokensPrompt(prompt_token_ids=template.render(one, True).ids) for one in asked]
    answers = LLM(str(folder), dtype="bfloat16").generate(prompts, SamplingParams(temperature=0, max_tokens=TOKENS))
    with TransformersEngine(folder, context_tokens=512, device="cuda") as engine:
        ours = [text_of(engine.generate(one, GenerateParams(max_new_tokens=TOKENS))).strip() for one in asked]
    theirs = [answer.outputs[0] for answer in answers]
    same = sum(mine == output.text.strip() for mine, output in zip(ours, theirs, strict=True))
    stopped = sum(output.finish_reason == "stop" for output in theirs)
    row = {"what": "vllm", "asked": len(asked), "same_answers": same, "stopped": stopped}
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row | {"environment": describe("cuda")}) + "\n")
    print(json.dumps(row))


if __name__ == "__main__":
    main()
