#!/usr/bin/env bash
# What a real graphics processor does with the 4B shape, in one command: tests/bench/gpu.sh [RESULT.json]
#
# Speed of decoding behind prompts of several lengths and of the prompts themselves, one picture, and the memory's own speed;
# beside llama.cpp on the same file, where llama-bench is on the PATH or this Python has llama_cpp with a GPU build.
# Everything is optional but the engine: what is not there is null in the result.
#
#   OUTPOST, SHAPE_TRUE  programs that were built before; without them cargo builds both
#   MODEL, MMPROJ        files in place of shape-true ones
#   SHAPE, TYPES         4b, q4_0
#   ROUNDS               3
#   POSITIONS            "1 512 2048 8192"
#   TOKENS               32, behind each of them
#   DEVICE               gpu
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
result=${1:-gpu.json}
shape=${SHAPE:-4b} types=${TYPES:-q4_0} rounds=${ROUNDS:-3} device=${DEVICE:-gpu}
positions=${POSITIONS:-1 512 2048 8192}
tokens=${TOKENS:-32}
spare_tokens=64
cache=${XDG_CACHE_HOME:-$HOME/.cache}/outpost
picture=$root/models/demo/examples/round-opacity.png
log=$(mktemp)
trap 'rm -f "$log" "$log.said"' EXIT

say() { echo "    $*" >&2; }

# Adds {"name": NAME, "value": what the command prints} to the log; null if it fails. A measurement is one line of JSON.
measure() {
  local name=$1 value
  shift
  say "$name: $*"
  if value=$("$@" 2>"$log.said" | tr -d '\n') && [ -n "$value" ]; then
    say "$(cut -c1-200 <<<"$value")"
  else
    tail -n 3 "$log.said" >&2
    value=null
  fi
  printf '{"name": "%s", "value": %s}\n' "$name" "$value" >>"$log"
}

# The same processor by every way to it: nvidia-smi's name, as a JSON string.
card() {
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1 |
    python3 -c 'import json, sys; print(json.dumps(sys.stdin.read().strip()))'
}

# Milliseconds until the first token of an answer about that many pictures.
pictures() {
  local images=()
  for _ in $(seq "$1"); do images+=(--image "$picture"); done
  "$outpost" --device "$device" generate --json --model "$model" --mmproj "$mmproj" --prompt "Describe." \
    --max-tokens 1 "${images[@]}"
}

if [ -z "${OUTPOST:-}" ] || [ -z "${SHAPE_TRUE:-}" ]; then
  target=${CARGO_TARGET_DIR:-$cache/target}
  # The groups of packages that xtask names too, so that burn is built once.
  (cd "$root" && CARGO_TARGET_DIR=$target cargo build -p outpost-engine -p outpost-clinic -p outpost-models \
    --bin outpost --bin shape-true)
fi
outpost=${OUTPOST:-$target/debug/outpost}
shape_true=${SHAPE_TRUE:-$target/debug/shape-true}

model=${MODEL:-} mmproj=${MMPROJ:-}
if [ -z "$model" ]; then
  mkdir -p "$cache/gpu"
  model=$cache/gpu/$shape-$types.gguf
  [ "$shape" = 4b ] && mmproj=$cache/gpu/$shape-mmproj.gguf
  if [ ! -f "$model" ]; then
    say "writing $model"
    "$shape_true" --shape "$shape" --types "$types" --out "$model.part" ${mmproj:+--mmproj "$mmproj"}
    mv "$model.part" "$model"
  fi
fi

measure card card
measure bandwidth python3 "$root/tests/bench/bandwidth.py"
for _ in $(seq "$rounds"); do
  for position in $positions; do
    context=$((position + tokens + spare_tokens))
    measure "outpost $position" "$outpost" --device "$device" bench --json --model "$model" \
      --prompt-tokens "$position" --tokens "$tokens" --context-tokens "$context"
    if python3 -c 'import llama_cpp, sys; sys.exit(not llama_cpp.llama_supports_gpu_offload())' 2>/dev/null; then
      measure "llama.cpp $position" python3 "$root/tests/bench/native.py" --gpu-layers 999 --model "$model" \
        --prompt-tokens "$position" --tokens "$tokens" --context-tokens "$context"
    fi
  done
  if [ -n "$mmproj" ]; then
    # The first picture compiles kernels; what the second one adds is what a picture takes.
    measure "one picture" pictures 1
    measure "two pictures" pictures 2
  fi
done
if command -v llama-bench >/dev/null; then
  depths=$(tr ' ' ',' <<<"$positions")
  measure llama-bench llama-bench -m "$model" -ngl 99 -p 2048 -n "$tokens" -d "$depths" -r "$rounds" -o json
fi

python3 "$root/tests/bench/gpu.py" "$log" >"$result"
say "the figures are in $result"
