"""Training batches: conversations as token ids with a mask of answer tokens, sorted by length so that little is padding."""
import numpy as np
import torch

import data

PAD = 0


def encode(made: data.Instance, tokenizer):
    """(ids, mask): mask is True where the token belongs to an answer, <end_of_turn> included."""
    ids, mask = [], []
    for text, answer in data.segments(made):
        piece = tokenizer.encode(text, add_special_tokens=False).ids
        ids += piece
        mask += [answer] * len(piece)
    return ids, mask


def collate(rows):
    """rows of (ids, mask) -> ids [batch, tokens] i64, labels [batch, tokens] i64 (next token of an answer, else -100)."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), longest), PAD)
    labels = torch.full((len(rows), longest), -100)
    for row, (tokens, mask) in enumerate(rows):
        tokens, mask = torch.tensor(tokens), torch.tensor(mask)
        ids[row, : len(tokens)] = tokens
        labels[row, : len(tokens) - 1] = torch.where(mask[1:], tokens[1:], -100)
    return ids, labels


def text_batches(tokenizer, shares: dict, tokens: int, first_seed: int = 0):
    """Endless batches (ids, labels) of at most about `tokens` tokens, tasks mixed by `shares`."""
    rng, seed, tasks = np.random.default_rng(first_seed), first_seed, list(shares)
    weights = np.array(list(shares.values())) / sum(shares.values())
    while True:
        pool = []
        for task in rng.choice(tasks, 1200, p=weights):
            pool.append(encode(data.instance(str(task), seed), tokenizer))
            seed += 1
        pool.sort(key=lambda row: len(row[0]))
        groups, group = [], []
        for row in pool:
            if group and (len(group) + 1) * len(row[0]) > tokens:
                groups.append(group)
                group = []
            group.append(row)
        rng.shuffle(groups)  # the unfinished last group is left out
        for group in groups:
            yield collate(group)


def picture_batches(tokenizer, count: int, batch: int, forms: float, first_seed: int = 0):
    """Endless batches (ids, labels, seeds) about the pictures 0..count, in random order: conversations, or in a share `forms`
    of the batches the form of findings, which is much longer."""
    rng = np.random.default_rng(first_seed + 1)
    round_number = 0
    while True:
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            seeds = order[start : start + batch]
            task = "findings" if rng.random() < forms else "picture"
            rows = [encode(data.instance(task, int(seed), variant=round_number), tokenizer) for seed in seeds]
            yield *collate(rows), seeds
        round_number += 1
