"""Trains the demo model on a CPU, in three stages; each writes its weights to build/.

    python train.py            all stages, then the files (see files.py)
    python train.py vision     image encoder and projector, on labels read off by throw-away heads
    python train.py text       decoder, on text alone; runs beside `vision`, one core each
    python train.py joint      everything together; the second half also sees the decoder's weights rounded to Q4_0
    python train.py further    the same, but shorter and from the files as they are: for what they have not learnt yet

The loss is on answer tokens only. Seeds are fixed; on another number of threads sums differ in the last bits.
"""
import os
import subprocess
import sys
import time
from pathlib import Path

# torch and what needs it is imported by the stages, each a process of its own with this environment.
BUILD = Path(__file__).parent / "build"
# Idle threads must not spin, and freed memory is kept: half of the time otherwise goes into waiting and page faults.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}

VISION_STEPS, VISION_BATCH = 800, 24
TEXT_STEPS, TEXT_TOKENS = 900, 6144
JOINT_STEPS, JOINT_PICTURES, JOINT_TOKENS = 600, 20, 5120
FURTHER_STEPS = 300
FINDINGS_SHARE = 0.2  # of the batches with pictures
SHARES = {"soap": 0.21, "extract": 0.12, "record": 0.22, "note": 0.13, "chat": 0.22, "repeat": 0.1}  # of conversations
JOINT_SHARES = {"soap": 0.18, "extract": 0.1, "record": 0.2, "note": 0.12, "chat": 0.34, "repeat": 0.06}
LABEL_CLASSES = (5, 3, 4)  # kind, side, zone; class 0 is "none"


def picture_labels(count):
    """[count, 3] i64: class of kind, side and zone of the pictures drawn from seeds 0..count."""
    import torch
    from pictures import KINDS, SIDES, ZONES, finding_of

    index = lambda names, value: 0 if value is None else 1 + list(names).index(value)
    findings = map(finding_of, range(count))
    return torch.tensor([[index(KINDS, f.kind), index(SIDES, f.side), index(ZONES, f.zone)] for f in findings])


def initialise(model):
    """transformers leaves the projector at zero, and embeddings far smaller than what the layers add to them."""
    import torch

    width = model.config.text_config.hidden_size
    with torch.no_grad():
        torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=width**-0.5)
        torch.nn.init.normal_(model.model.language_model.embed_tokens.weight, std=width**-0.5)
        for name, parameter in model.named_parameters():
            if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
                parameter.fill_(-0.6)


def answer_loss(model, ids, labels, pixels=None):
    """Mean cross-entropy over answer tokens. ids, labels: [batch, tokens]; pixels: one picture a row, or None."""
    import torch
    from model import image_token_types

    hidden = model.model(
        input_ids=ids,
        pixel_values=pixels,
        token_type_ids=image_token_types(ids, model.config.image_token_index),
        use_cache=False,
    ).last_hidden_state
    wanted = labels >= 0
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted])


class Log:
    """Prints running means, wall and CPU seconds."""

    def __init__(self, stage):
        self.stage, self.start, self.sums, self.count = stage, time.time(), {}, 0

    def add(self, step, every, **values):
        self.count += 1
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0) + float(value)
        if (step + 1) % every == 0:
            means = " ".join(f"{key} {value / self.count:.4f}" for key, value in self.sums.items())
            spent = f"wall {time.time() - self.start:.0f} s, cpu {time.process_time():.0f} s"
            print(f"{self.stage} {step + 1}: {means}  {spent}", flush=True)
            self.sums, self.count = {}, 0


def vision():
    import numpy as np
    import torch
    import torch.nn.functional as F
    import model as demo
    import picture_store
    from optim import Optimiser, schedule
    from pictures import finding_map

    store = picture_store.load(BUILD / "pictures.npy")
    truth = picture_labels(len(store))
    # Which patches the finding touches: 256 labels a picture teach much faster than three.
    touched = torch.from_numpy(np.stack([finding_map(seed, 16).ravel() for seed in range(len(store))]))
    patch_truth = touched * truth[:, :1]  # [pictures, 256]

    torch.manual_seed(1)
    model = demo.build()
    initialise(model)
    kept = len(store) - 250  # the rest only measures
    hidden = model.config.text_config.hidden_size
    heads = torch.nn.ModuleDict({"whole": torch.nn.Linear(hidden, sum(LABEL_CLASSES)), "patch": torch.nn.Linear(hidden, 5)})
    trained = [(n, p) for n, p in model.named_parameters() if "language_model" not in n] + list(heads.named_parameters())
    optimiser, rng, log = Optimiser(trained, 1.5e-3, 6e-3), np.random.default_rng(1), Log("vision")

    def guess(source):
        """-> kind, side and zone of each picture [n, classes] each, kind of each patch [n, 256, 5]"""
        patches = model.model.vision_tower(pixel_values=torch.from_numpy(source)).last_hidden_state
        whole = heads["whole"](model.model.multi_modal_projector(patches).mean(1))  # so every token must say where
        return whole.split(LABEL_CLASSES, dim=1), heads["patch"](patches)

    for step in range(VISION_STEPS):
        rows = np.sort(rng.choice(kept, VISION_BATCH, replace=False))
        parts, patches = guess(picture_store.to_pixels(store[rows], rng))
        whole_loss = sum(F.cross_entropy(part, truth[rows, i]) for i, part in enumerate(parts))
        patch_loss = F.cross_entropy(patches.flatten(0, 1), patch_truth[rows].flatten(), weight=torch.tensor([0.3, 1, 1, 1, 1]))
        (whole_loss + 2 * patch_loss).backward()
        right = torch.stack([part.argmax(1) == truth[rows, i] for i, part in enumerate(parts)]).all(0).float().mean()
        optimiser.step(schedule(step, VISION_STEPS, 40, 0.05))
        log.add(step, 20, whole=whole_loss.item(), patch=patch_loss.item(), all_right=right)
        if (step + 1) % 100 == 0:
            with torch.no_grad():
                parts, _ = guess(store[kept:].astype(np.float32)[:, None].repeat(3, 1) / 127.5 - 1)
            hits = torch.stack([part.argmax(1) == truth[kept:, i] for i, part in enumerate(parts)])
            print("  unseen: kind side zone", hits.float().mean(1).tolist(), "all", hits.all(0).float().mean().item(), flush=True)
            torch.save({n: p.detach() for n, p in model.named_parameters() if "language_model" not in n}, BUILD / "vision.pt")


def text():
    import torch
    import batches
    import model as demo
    from optim import Optimiser, schedule

    torch.manual_seed(2)
    model = demo.build()
    initialise(model)
    trained = [(n, p) for n, p in model.named_parameters() if "language_model" in n]
    optimiser, log = Optimiser(trained, 3e-3, 6e-3), Log("text")
    source = batches.text_batches(demo.tokenizer(), SHARES, TEXT_TOKENS, first_seed=1_000_000)
    for step, (ids, labels) in zip(range(TEXT_STEPS), source):
        loss = answer_loss(model, ids, labels)
        loss.backward()
        optimiser.step(schedule(step, TEXT_STEPS, 50, 0.3))
        log.add(step, 20, loss=loss.item(), tokens=ids.numel())
        if (step + 1) % 100 == 0:
            torch.save({n: p.detach() for n, p in trained}, BUILD / "text.pt")


def joint():
    import torch
    import model as demo

    torch.manual_seed(3)
    model = demo.build()
    for part in ("vision.pt", "text.pt"):
        model.load_state_dict(torch.load(BUILD / part), strict=False)
    train_together(model, "joint", JOINT_STEPS, (1.5e-3, 2.5e-3), FINDINGS_SHARE, first_seed=5_000_000)


def further():
    import torch
    import files

    torch.manual_seed(4)
    train_together(files.read("bf16"), "further", FURTHER_STEPS, (0.4e-3, 0.6e-3), 0.3, first_seed=9_000_000)


def train_together(model, name, steps, rates, findings_share, first_seed):
    import numpy as np
    import torch
    import batches
    import model as demo
    import picture_store
    from optim import Optimiser, schedule
    from quantise import round_to_bf16, rounded

    store, tokenizer = picture_store.load(BUILD / "pictures.npy"), demo.tokenizer()
    truth, seen = picture_labels(len(store)), {}
    model.model.multi_modal_projector.register_forward_hook(lambda *call: seen.update(tokens=call[-1]))
    head = torch.nn.Linear(model.config.text_config.hidden_size, sum(LABEL_CLASSES))
    optimiser = Optimiser([*model.named_parameters(), *head.named_parameters()], *rates)
    rng, log = np.random.default_rng(first_seed), Log(name)
    texts = batches.text_batches(tokenizer, JOINT_SHARES, JOINT_TOKENS, first_seed)
    asked = batches.picture_batches(tokenizer, len(store), JOINT_PICTURES, findings_share, first_seed)
    for step, (ids, labels), (picture_ids, answers, seeds) in zip(range(steps), texts, asked):
        # In the second half two steps of three see Q4_0 weights, so that both files stay good.
        with rounded(model, step >= steps // 2 and step % 3 != 0):
            text_loss = answer_loss(model, ids, labels)
            text_loss.backward()
            pixels = torch.from_numpy(picture_store.to_pixels(store[seeds], rng))
            picture_loss = answer_loss(model, picture_ids, answers, pixels)
            # The decoder finds side and zone far sooner if every image token carries them in its content.
            pooled = head(seen["tokens"].mean(1)).split(LABEL_CLASSES, dim=1)
            label_loss = sum(torch.nn.functional.cross_entropy(part, truth[seeds, i]) for i, part in enumerate(pooled))
            (3 * picture_loss + 0.3 * label_loss).backward()  # few of its tokens depend on the picture
        optimiser.step(schedule(step, steps, 30, 0.02))
        log.add(step, 10, text=text_loss.item(), picture=picture_loss.item(), label=label_loss.item())
        if (step + 1) % 100 == 0:
            exact = {n: p.detach().clone() for n, p in model.named_parameters()}
            round_to_bf16(model)
            torch.save(model.state_dict(), BUILD / "model.pt")
            model.load_state_dict(exact, strict=False)


def stage(name, threads):
    """Starts `train.py name` in a process of its own."""
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen([sys.executable, __file__, name], env=environment)


def main():
    import picture_store

    picture_store.make(BUILD / "pictures.npy")
    if len(sys.argv) > 1:
        {"vision": vision, "text": text, "joint": joint, "further": further}[sys.argv[1]]()
        return
    for group in ([("vision", 1), ("text", 1)], [("joint", 2)]):
        running = [stage(name, threads) for name, threads in group]
        if any(process.wait() for process in running):
            sys.exit("error: a training stage failed; its message is above")
    import files

    files.write()


if __name__ == "__main__":
    main()
