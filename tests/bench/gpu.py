"""Makes one JSON object of what gpu.sh measured: medians over its rounds, and the share of the memory's speed."""

import json
import statistics
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as log:
        lines = [json.loads(line) for line in log]
    values = {}
    for line in lines:
        if line["value"] is not None:
            values.setdefault(line["name"], []).append(line["value"])
    bandwidth = values.get("bandwidth", [None])[0]
    report = {
        "card": values.get("card", [None])[0],
        "bandwidth": bandwidth,
        "outpost": by_position("outpost", values, bandwidth),
        "llama.cpp": by_position("llama.cpp", values, bandwidth),
        "llama-bench": values.get("llama-bench", [None])[0],
        "picture_ms": picture_ms(values),
        "failed": sorted({line["name"] for line in lines if line["value"] is None}),
    }
    print(json.dumps(report, indent=2))


def by_position(engine, values, bandwidth):
    """For each length of the prompt: rates, and which part of the copied bytes a second the read weights are."""
    found = []
    for name, runs in values.items():
        if not name.startswith(f"{engine} "):
            continue
        last = runs[-1]
        decode = median(runs, "decode_tok_s")
        # llama.cpp reads every weight too, as far as its own figure tells.
        read = last.get("bytes_read_per_token") or last.get("weight_bytes")
        share = decode * read / bandwidth["copy_bytes_s"] if bandwidth and read else None
        found.append({
            "position": int(name.split(" ")[1]),
            "adapter": last["adapter"],
            "prefill_tok_s": median(runs, "prefill_tok_s"),
            "decode_tok_s": decode,
            "token_ms": 1000 / decode if decode else None,
            "bytes_read_per_token": read,
            "share_of_copy_bandwidth": share,
            "runs": runs,
        })
    return sorted(found, key=lambda entry: entry["position"])


def picture_ms(values):
    """What one more picture adds to the time until the first token: encoder, projector, and its tokens' own prefill."""
    pairs = zip(values.get("one picture", []), values.get("two pictures", []))
    added = [two["prefill_ms"] - one["prefill_ms"] for one, two in pairs]
    return statistics.median(added) if added else None


def median(runs, key):
    return statistics.median(run[key] for run in runs)


if __name__ == "__main__":
    main()
