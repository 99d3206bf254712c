"""Writes what lm-evaluation-harness itself asks and finds: questions of three sets, and expected.json.

    pip install "lm_eval[hf]==0.4.13" transformers==5.23.0 torch==2.15.0
    python models/tests/eval/harness/make.py

The prompts come from the harness's own tasks, the sums from its own model class, which computes with transformers. The model
is the random one of tests/golden/huggingface. The questions are invented, in the fields that the harness reads.
"""
import importlib.util
import json
import pathlib

import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

HERE = pathlib.Path(__file__).parent
MODEL = HERE / "../../../../tests/golden/huggingface"
TASKS = pathlib.Path(lm_eval.__file__).parent / "tasks"

OPTIONS = ["a stone", "bread and water", "cold", "dry"]
SETS = {
    "medmcqa": ("medmcqa/utils_medmcqa.py", [
        {"id": str(cop), "question": "Which letter comes third?", "cop": cop, "subject_name": "Letters", "exp": None,
         **{f"op{name}": option for name, option in zip("abcd", OPTIONS)}} for cop in (0, 2)]),
    "medqa": ("medqa/preprocess_medqa.py", [
        {"id": "test-0", "sent1": "He has slept badly for 17 days. What now?", "sent2": "", "label": 1,
         **{f"ending{place}": option for place, option in enumerate(OPTIONS)}}]),
    "pubmedqa": ("pubmedqa/preprocess_pubmedqa.py", [
        {"PUBID": "1", "QUESTION": "Is it so?", "CONTEXTS": ["One thing was seen.", "Another was not."], "final_decision": "no"}]),
}


def module(path):
    spec = importlib.util.spec_from_file_location("task", TASKS / path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def main():
    lm = HFLM(pretrained=str(MODEL), device="cpu", dtype="float32", batch_size=1)
    expected = {}
    for name, (path, docs) in SETS.items():
        (HERE / f"{name}.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
        labels = ["yes", "no", "maybe"] if name == "pubmedqa" else [*"ABCD", *OPTIONS]
        expected[name] = []
        for doc in docs:
            text = module(path).doc_to_text(doc)
            # With a chat template the harness leaves out the space before a choice.
            turn = lm.apply_chat_template([{"role": "user", "content": text}])
            asked = {"plain": (text, " "), "chat": (turn, "")}
            found = {}
            for framing, (prompt, space) in asked.items():
                requests = [Instance("loglikelihood", {}, (prompt, space + label), place) for place, label in enumerate(labels)]
                sums = lm.loglikelihood(requests, disable_tqdm=True)
                rows = [[request.args[1], round(total, 6), greedy] for request, (total, greedy) in zip(requests, sums)]
                found[framing] = {"prompt": prompt, "continuations": rows}
            expected[name].append(found)
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
