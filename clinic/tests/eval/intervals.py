"""Writes intervals.json: what intervals and tests give that were worked out elsewhere.

    pip install statsmodels==0.15.0 scipy==1.17.1
    python clinic/tests/eval/intervals.py

Wilson's interval and McNemar's exact test are statsmodels'. It has no interval for paired proportions, so that is worked
out here from Tango's definition and by other means than the program's: the probability under a given difference is found
by maximising the likelihood numerically, not by its quadratic, and the ends by Brent's method.
"""
import json
import math
import pathlib

from scipy.optimize import brentq, minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

Z = 1.959963984540054

SHARES = [(0, 1), (1, 1), (1, 2), (0, 10), (10, 10), (3, 10), (15, 148), (81, 263), (636, 1273), (1272, 1273), (4183, 4183)]

# (both, only the first, only the second, neither)
PAIRS = [(1, 1, 7, 12), (59, 6, 16, 80), (50, 0, 0, 0), (0, 0, 0, 9), (30, 0, 5, 0), (30, 5, 0, 0), (0, 4, 0, 0), (0, 0, 6, 0),
         (400, 12, 9, 150), (700, 60, 35, 478), (2000, 150, 151, 1882), (10, 9, 9, 10), (5, 1, 0, 5)]


def log_likelihood(q, d, both, only_a, only_b, neither):
    """Of cells whose first discordant one has the probability q, the other q + d."""
    terms = [(only_b, q + d), (only_a, q), (both + neither, 1 - 2 * q - d)]
    if any(p < 0 for _, p in terms):
        return -math.inf
    return sum(count * math.log(max(p, 1e-300)) for count, p in terms if count)


def score(d, pair):
    both, only_a, only_b, neither = pair
    n = sum(pair)
    low, high = max(0.0, -d), (1 - d) / 2
    found = minimize_scalar(lambda q: -log_likelihood(q, d, *pair), bounds=(low, high), method="bounded", options={"xatol": 1e-14})
    # The bounded search never tries the bounds themselves.
    q = max((low, high, found.x), key=lambda q: log_likelihood(q, d, *pair))
    deviation = math.sqrt(max(n * (2 * q + d - d * d), 0))
    distance = only_b - only_a - n * d
    if abs(distance) < 1e-12:
        return 0.0
    return distance / deviation if deviation > 1e-9 else math.copysign(math.inf, distance)


def tango(pair):
    _, only_a, only_b, _ = pair
    observed = (only_b - only_a) / sum(pair)
    edge = 1 - 1e-9
    def end(target, a, b):
        f = lambda d: max(min(score(d, pair) - target, 1e6), -1e6)
        return brentq(f, a, b, xtol=1e-12)
    low = -1.0 if observed <= -edge else end(Z, -edge, observed)
    high = 1.0 if observed >= edge else end(-Z, observed, edge)
    return low, high


def main():
    wilson = [[k, n, *proportion_confint(k, n, alpha=0.05, method="wilson")] for k, n in SHARES]
    paired = []
    for pair in PAIRS:
        both, only_a, only_b, neither = pair
        p = mcnemar([[both, only_a], [only_b, neither]], exact=True).pvalue
        low, high = tango(pair)
        paired.append([*pair, low, high, min(float(p), 1.0)])
    lists = {"wilson": wilson, "paired": paired}
    rows = {name: ",\n".join("  " + json.dumps([float(x) if isinstance(x, float) else int(x) for x in row]) for row in table) for name, table in lists.items()}
    text = "{\n" + ",\n".join(f' "{name}": [\n{table}\n ]' for name, table in rows.items()) + "\n}\n"
    pathlib.Path(__file__).with_name("intervals.json").write_text(text)


if __name__ == "__main__":
    main()
