"""Measures how fast this machine's graphics processor copies its own memory, and prints JSON.

    python3 bandwidth.py [--mib N] [--adapter WORD]

Bytes read and bytes written both count. By wgpu (`pip install wgpu`), as the engine reaches the processor, else by torch.
The same figure is what decoding is compared with: a token reads every weight once.
"""

import argparse
import json
import statistics
import sys
import time

ROUNDS = 7
LEAST_SECONDS = 0.2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=256, help="size of the copied buffer")
    parser.add_argument("--adapter", default="", help="part of the adapter's name")
    arguments = parser.parse_args()
    size = arguments.mib << 20
    for way in (by_wgpu, by_torch):
        try:
            name, copy = way(size, arguments.adapter)
        except ImportError:
            continue
        print(json.dumps({"adapter": name, "by": way.__name__[3:], "bytes": size, "copy_bytes_s": rate(copy, size)}))
        return
    sys.exit("error: neither wgpu nor torch is installed; `pip install wgpu` brings one")


def rate(copy, size):
    """Median of some rounds, each of as many copies as take a while. `copy(n)` copies n times and waits."""
    copies = 1
    while True:
        began = time.perf_counter()
        copy(copies)
        if time.perf_counter() - began > LEAST_SECONDS:
            break
        copies *= 2
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        copy(copies)
        found.append(2 * size * copies / (time.perf_counter() - began))
    return statistics.median(found)


def by_wgpu(size, wanted):
    import wgpu

    adapters = wgpu.gpu.enumerate_adapters_sync()
    fitting = [adapter for adapter in adapters if wanted.lower() in adapter.info["device"].lower()]
    kinds = ["DiscreteGPU", "IntegratedGPU", "VirtualGPU", "CPU", "Unknown"]
    fitting.sort(key=lambda a: (kinds.index(a.info["adapter_type"]), a.info["backend_type"] != "Vulkan"))
    if not fitting:
        sys.exit(f"error: no adapter is called like {wanted!r}: {[a.info['device'] for a in adapters]}")
    limits = {"max-buffer-size": size}
    device = fitting[0].request_device_sync(required_limits=limits)
    usage = wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
    source, target = (device.create_buffer(size=size, usage=usage) for _ in range(2))
    mark = device.create_buffer(size=4, usage=usage)

    def copy(count):
        encoder = device.create_command_encoder()
        for _ in range(count):
            encoder.copy_buffer_to_buffer(source, 0, target, 0, size)
        device.queue.submit([encoder.finish()])
        device.queue.read_buffer(mark)  # waits for what was submitted before

    return fitting[0].info["device"], copy


def by_torch(size, _):
    import torch

    source = torch.zeros(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)

    def copy(count):
        for _ in range(count):
            target.copy_(source)
        torch.cuda.synchronize()

    return torch.cuda.get_device_name(), copy


if __name__ == "__main__":
    main()
