#!/usr/bin/env python3
"""Makes r4.txt, the table of FHIR R4 structures, and ucum.txt, the symbols of UCUM, from what HL7 and UCUM publish.

    npm pack hl7.fhir.r4.examples@4.0.1     # has the StructureDefinitions and ValueSets of R4, too
    npm pack hl7.fhir.r4.expansions@4.0.1   # the value sets, each with all its codes
    cargo fetch                             # of a package that names octofhir-ucum 0.9.2: ucum-essence.xml lies in it
    make.py EXAMPLES/package EXPANSIONS/package UCUM-ESSENCE.xml

Each line of r4.txt is one fact; `table.rs` reads it and says what the columns mean.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree

RESOURCES = """
AllergyIntolerance Bundle Composition Condition Device DocumentReference Encounter FamilyMemberHistory Location Medication
MedicationRequest MedicationStatement Observation Organization Patient Practitioner PractitionerRole Provenance
RelatedPerson
""".split()
ABSTRACT = ["Element", "BackboneElement", "Resource", "DomainResource"]
VITALS = """
resprate heartrate oxygensat bodytemp bodyheight headcircum bodyweight bmi bp
""".split()
INHERITED = {"id", "extension", "modifierExtension"}
PROFILES = {"SimpleQuantity"}
STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
REGEX = STRUCTURE + "regex"
FHIR_TYPE = STRUCTURE + "structuredefinition-fhir-type"

HEADER = """\
# FHIR R4 (4.0.1): structures, primitive types, codes of required bindings, invariants and vital signs, reduced to the
# resources that the product writes and to what these are made of. Made by make.py; not to be changed by hand.
#
# Source: the packages hl7.fhir.r4.examples and hl7.fhir.r4.expansions 4.0.1 of HL7 International. The FHIR specification
# is in the public domain (Creative Commons CC0). LOINC codes are copyright Regenstrief Institute and the LOINC
# Committee, available at no cost under the licence at https://loinc.org/license.
"""
UCUM_HEADER = """\
# The symbols of the Unified Code for Units of Measure, case-sensitive. Made by make.py from ucum-essence.xml, version
# {version} of {date}; not to be changed by hand. Copyright Regenstrief Institute, Inc. and the UCUM Organization; used
# under the licence at https://ucum.org/license.
"""


def main():
    examples, expansions = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    here = pathlib.Path(__file__).parent
    definitions = lambda name: json.loads((examples / f"StructureDefinition-{name}.json").read_text())
    blocks, sets, primitives = {}, {}, {}
    queue, seen = [*ABSTRACT, *RESOURCES, "Extension", *sorted(PROFILES)], set()
    while queue:
        name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        definition = definitions(name)
        if definition["kind"] == "primitive-type":
            primitives[name] = regex(definition)
            continue
        found, blocks[name] = structure(definition, sets, expansions)
        queue += found
    blocks["vitalsigns"] = structure(definitions("vitalsigns"), sets, expansions)[1]
    lines = []
    blocks["Resource"] = [line.replace(" id 0..1 string", " id 0..1 id") for line in blocks["Resource"]]  # as the text says
    for name in blocks:
        after_base(name, blocks, lines)
    for name in VITALS:
        lines += vital(definitions(name), examples, expansions, sets)
    out = [HEADER]
    out += [f"primitive {name} {pattern}" for name, pattern in sorted(primitives.items())]
    out += lines
    for name, systems in sorted(sets.items()):
        out.append(f"set {name}")
        out += [f" {system or '-'} {' '.join(codes)}" for system, codes in systems.items()]
    xpath = next(c for e in definitions("Narrative")["snapshot"]["element"] for c in e.get("constraint", []) if c["key"] == "txt-1")
    elements, attributes = [quoted(part) for part in xpath["xpath"].split("@*[")]
    out += [f"xhtml elements {' '.join(elements)}", f"xhtml attributes {' '.join(attributes)}"]
    (here / "r4.txt").write_text("\n".join(out) + "\n")
    (here / "ucum.txt").write_text(ucum(sys.argv[3]))


def after_base(name, blocks, lines):
    """Writes a type once, after the one that it is built on."""
    if name in blocks and blocks[name][0] not in lines:
        after_base(blocks[name][0].rpartition(" ")[2], blocks, lines)
        lines += blocks[name]


def quoted(text):
    """The words in single quotes."""
    return text.split("'")[1::2]


def regex(definition):
    """The pattern of a primitive type; `-` where R4 gives none."""
    element = next(e for e in definition["snapshot"]["element"] if e["path"].endswith(".value"))
    for extension in element["type"][0].get("extension", []):
        if extension["url"] == REGEX:
            return extension["valueString"]
    return "-"


def structure(definition, sets, expansions):
    """The lines of one type, and the types that it names."""
    name, found = definition["id"], []
    base = definition.get("baseDefinition", "").removeprefix(STRUCTURE) or "-"
    lines = [f"type {name} < {base}"]
    for element in definition["snapshot"]["element"]:
        path = element["path"].partition(".")[2]
        if path and element["base"]["path"].partition(".")[0] == name:
            if name in ABSTRACT or path.rpartition(".")[2] not in INHERITED:
                kinds = types(element, found)
                binding = bound(element, sets, expansions)
                lines.append(f" {path} {element['min']}..{element['max']} {kinds}{binding}")
        lines += [f" ! {rule}" for rule in rules(element, path, definition)]
    return found, list(dict.fromkeys(lines))


def types(element, found):
    """The types of an element: `@path` for the same children as another, else names with what a reference may lead to."""
    if "contentReference" in element:
        return "@" + element["contentReference"].partition(".")[2]
    kinds = []
    for kind in element["type"]:
        code = kind["code"]
        for extension in kind.get("extension", []):
            if extension["url"] == FHIR_TYPE:
                code = extension["valueUrl"]
        if code.startswith("http://hl7.org/fhirpath/System."):
            code = code.rpartition(".")[2].lower()
        for profile in kind.get("profile", []):
            if profile.removeprefix(STRUCTURE) in PROFILES:
                code = profile.removeprefix(STRUCTURE)
        if code not in ("xhtml", "Resource"):
            found.append(code)
        targets = [t.removeprefix(STRUCTURE) for t in kind.get("targetProfile", [])]
        if code == "Reference" and targets and targets != ["Resource"]:
            code += f"({','.join(targets)})"
        kinds.append(code)
    return "|".join(kinds)


def bound(element, sets, expansions):
    """` =set` for a required binding whose codes can be listed."""
    binding = element.get("binding", {})
    if binding.get("strength") != "required" or "valueSet" not in binding:
        return ""
    name = load_set(binding["valueSet"], sets, expansions)
    return f" ={name}" if name else ""


def load_set(address, sets, expansions):
    """Puts the codes of a value set into `sets`, by system; its name, or nothing where they cannot be listed."""
    name = address.partition("|")[0].rpartition("/")[2]
    path = expansions / f"ValueSet-{name}.json"
    if name not in sets:
        if not path.exists():
            return None
        systems = {}
        walk = list(json.loads(path.read_text()).get("expansion", {}).get("contains", []))
        while walk:
            entry = walk.pop(0)
            walk += entry.get("contains", [])
            if not entry.get("abstract"):
                systems.setdefault(entry["system"], []).append(entry["code"])
        if not systems:
            return None
        sets[name] = systems
    return name


def rules(element, path, definition):
    """The invariants that this element brings itself: `key severity path words`."""
    own = STRUCTURE + definition["id"]
    for rule in element.get("constraint", []):
        if rule.get("source", own) == own and path.rpartition(".")[2] not in INHERITED:
            best_practice = any(e["url"].endswith("-bestpractice") for e in rule.get("extension", []))
            severity = "advice" if best_practice else rule["severity"]
            yield f"{rule['key']} {severity} {path or '.'} {' '.join(rule['human'].split())}"


def vital(definition, examples, expansions, sets):
    """A profile of vital signs: `vital name code units display`, then its components likewise."""
    displays = shown(examples)
    fixed, units = {}, {}
    for element in definition["differential"]["element"]:
        owner = element["id"].partition(":")[2].partition(".")[0] if element["path"].startswith("Observation.component") else ""
        if element["path"].endswith(".coding.code") and "fixedCode" in element:
            fixed.setdefault(owner, element["fixedCode"])
        if element["path"].endswith(".valueQuantity.code"):
            if "fixedCode" in element:
                units[owner] = [element["fixedCode"]]
            elif element.get("binding", {}).get("strength") == "required":
                units[owner] = next(iter(expand(element["binding"]["valueSet"], examples, expansions).values()))
    lines = []
    for owner, code in fixed.items():
        word = "component" if owner else f"vital {definition['id']}"
        lines.append(f"{' ' if owner else ''}{word} {code} {','.join(units.get(owner, [])) or '-'} {displays.get(code, definition['title'])}")
    return lines


def shown(examples):
    """The words that HL7's own examples show for each LOINC code; where they differ, the most frequent."""
    counts = {}
    for path in sorted(examples.glob("Observation-*.json")):
        queue = [json.loads(path.read_text())]
        while queue:
            value = queue.pop()
            if isinstance(value, dict) and value.get("system") == "http://loinc.org" and "display" in value:
                words = counts.setdefault(value["code"], {})
                words[value["display"]] = words.get(value["display"], 0) + 1
            queue += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return {code: max(sorted(words), key=words.get) for code, words in counts.items()}


def expand(address, examples, expansions):
    """The codes of a value set, by system, from its expansion or from its list of concepts."""
    sets = {}
    if name := load_set(address, sets, expansions):
        return sets[name]
    path = examples / f"ValueSet-{address.partition('|')[0].rpartition('/')[2]}.json"
    return {
        include["system"]: [concept["code"] for concept in include["concept"]]
        for include in json.loads(path.read_text())["compose"]["include"]
    }


def ucum(path):
    """The prefixes, the units that take them, and the units that do not."""
    space = "{http://unitsofmeasure.org/ucum-essence}"
    root = xml.etree.ElementTree.parse(path).getroot()
    units = [*root.iter(space + "base-unit"), *root.iter(space + "unit")]
    metric = [u.get("Code") for u in units if u.tag.endswith("base-unit") or u.get("isMetric") == "yes"]
    other = [u.get("Code") for u in units if u.get("Code") not in metric]
    out = [UCUM_HEADER.format(version=root.get("version"), date=root.get("revision-date"))]
    out.append("prefix " + " ".join(p.get("Code") for p in root.iter(space + "prefix")))
    out.append("metric " + " ".join(metric))
    out.append("other " + " ".join(other))
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    main()
