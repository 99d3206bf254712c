#!/usr/bin/env python3
"""Shows HL7's own examples of R4 to `outpost fhir validate`: each is accepted, or refused for a fault that it has.

    npm pack hl7.fhir.r4.examples@4.0.1 && tar xzf hl7.fhir.r4.examples-4.0.1.tgz
    check_examples.py OUTPOST package

`FAULTS` has the examples that break R4 themselves, each with the rules that it breaks. An example that is refused for
anything else, or no longer refused, is an error. What holds resources that the table of structures does not have is
counted apart: such files are not of the types used.
"""

import collections
import json
import pathlib
import subprocess
import sys

TYPES = """
AllergyIntolerance Bundle Composition Condition Device DocumentReference Encounter FamilyMemberHistory MedicationRequest
MedicationStatement Observation Patient Provenance
""".split()
FAULTS = {
    "Bundle-father.json": ["unit"],  # tbl
    "MedicationRequest-medrx0301.json": ["target"],  # dispenseRequest.performer is a Practitioner
    "MedicationRequest-medrx0304.json": ["unit"],  # drop
    "MedicationRequest-medrx0314.json": ["unit"],  # mcg
    "MedicationRequest-medrx0319.json": ["unit"],  # ml/hr
    "MedicationRequest-medrx0322.json": ["unit"],  # mEq
    "MedicationRequest-medrx0325.json": ["unit"],  # ea
    "MedicationRequest-medrx0326.json": ["unit"],  # ea
    "MedicationRequest-medrx0328.json": ["unit"],  # ea
    "MedicationRequest-medrx0329.json": ["unit"],  # ea
    "MedicationRequest-medrx0334.json": ["unit"],  # ea
    "MedicationRequest-medrx0335.json": ["unit"],  # ea
    "Observation-clinical-gender.json": ["target"],  # performer is an Encounter
    "Observation-f202.json": ["vital-sign"],  # a body temperature without a time
}


def main():
    outpost, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    files = [path for path in sorted(folder.glob("*.json")) if path.name.partition("-")[0] in TYPES]
    result = subprocess.run([outpost, "fhir", "validate", "--json", *map(str, files)], capture_output=True, text=True)
    counts, wrong = collections.Counter(), []
    for report in json.loads(result.stdout)["files"]:
        name = pathlib.Path(report["path"]).name
        rules = sorted({issue["rule"] for issue in report["issues"]})
        kind = name.partition("-")[0]
        if "unknown-resource" in rules:
            counts[kind, "with resources of other types"] += 1
        elif rules == FAULTS.get(name, []):
            counts[kind, "refused for a fault of their own" if rules else "accepted"] += 1
        else:
            wrong.append(f"{name}: {rules}, expected {FAULTS.get(name, [])}")
    for verdict in ["accepted", "refused for a fault of their own", "with resources of other types"]:
        kinds = {kind: count for (kind, of), count in sorted(counts.items()) if of == verdict}
        print(f"{sum(kinds.values())} {verdict}: {kinds}")
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
