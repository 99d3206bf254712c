//! Bundles that are wrong in one way, each with the one reason for which it is refused.

use outpost_clinic::fhir::bundle::Kind;
use outpost_clinic::fhir::validate;
use serde_json::{Value, json};

use crate::sample;

/// What is changed: where, and what stands there then; `null` takes away.
type Change = (&'static str, Value);

struct Row {
    /// What is wrong.
    name: &'static str,
    /// The resource that is changed, such as `Observation:1` for the second one.
    resource: &'static str,
    changes: Vec<Change>,
    /// Where the issue is, from that resource on.
    path: &'static str,
    rule: &'static str,
}

fn row(
    name: &'static str,
    resource: &'static str,
    at: &'static str,
    to: Value,
    path: &'static str,
    rule: &'static str,
) -> Row {
    Row {
        name,
        resource,
        changes: vec![(at, to)],
        path,
        rule,
    }
}

fn structure() -> Vec<Row> {
    vec![
        row(
            "an element that does not exist",
            "Condition",
            "/severityCode",
            json!("x"),
            "",
            "unknown-field",
        ),
        row(
            "an element of another resource",
            "Patient",
            "/status",
            json!("active"),
            "",
            "unknown-field",
        ),
        row(
            "an element of a type that does not exist",
            "Condition",
            "/code/code",
            json!("x"),
            ".code",
            "unknown-field",
        ),
        row(
            "a choice of a type that is not allowed",
            "Condition",
            "/onsetInteger",
            json!(3),
            "",
            "unknown-field",
        ),
        row(
            "a choice without its type",
            "Observation",
            "/value",
            json!(3),
            "",
            "unknown-field",
        ),
        row(
            "an underscore at what is not primitive",
            "Condition",
            "/_code",
            json!({"id": "a"}),
            "",
            "unknown-field",
        ),
        row(
            "a resource without a type",
            "Condition",
            "/resourceType",
            Value::Null,
            "",
            "unknown-resource",
        ),
        row(
            "a resource that does not exist",
            "Condition",
            "/resourceType",
            json!("Illness"),
            "",
            "unknown-resource",
        ),
        row(
            "an abstract resource",
            "Condition",
            "/resourceType",
            json!("DomainResource"),
            "",
            "unknown-resource",
        ),
        row(
            "a required status is missing",
            "Observation",
            "/status",
            Value::Null,
            ".status",
            "required",
        ),
        row(
            "a required subject is missing",
            "MedicationStatement",
            "/subject",
            Value::Null,
            ".subject",
            "required",
        ),
        row(
            "a required choice is missing",
            "MedicationRequest",
            "/medicationCodeableConcept",
            Value::Null,
            ".medication",
            "required",
        ),
        row(
            "a required element deeper down is missing",
            "DocumentReference",
            "/content/0/attachment",
            json!(null),
            ".content[0].attachment",
            "required",
        ),
        row(
            "the type of a Bundle is missing",
            "Bundle",
            "/type",
            Value::Null,
            ".type",
            "required",
        ),
        row(
            "the class of an encounter is missing",
            "Encounter",
            "/class",
            Value::Null,
            ".class",
            "required",
        ),
        row(
            "an array where one belongs",
            "Condition",
            "/subject",
            json!([{"display": "x"}]),
            ".subject",
            "too-many",
        ),
        row(
            "one where an array belongs",
            "Patient",
            "/name",
            json!({"text": "x"}),
            ".name",
            "type",
        ),
        row(
            "an empty array",
            "Patient",
            "/name",
            json!([]),
            ".name",
            "empty",
        ),
        row(
            "a null in an array of objects",
            "Patient",
            "/name",
            json!([null]),
            ".name[0]",
            "type",
        ),
        row(
            "a null in an array of primitives",
            "Patient",
            "/name",
            json!([{"given": [null]}]),
            ".name[0].given[0]",
            "empty",
        ),
        row(
            "a string where an object belongs",
            "Condition",
            "/code",
            json!("cough"),
            ".code",
            "type",
        ),
        row(
            "a number where a string belongs",
            "Condition",
            "/onsetString",
            json!(3),
            ".onset.ofType(string)",
            "type",
        ),
        row(
            "a string where a number belongs",
            "Observation",
            "/valueQuantity/value",
            json!("88"),
            ".value.ofType(Quantity).value",
            "type",
        ),
        row(
            "a string where true or false belongs",
            "Patient",
            "/active",
            json!("true"),
            ".active",
            "type",
        ),
        row(
            "an object where a resource belongs",
            "Bundle",
            "/entry/1/resource",
            json!("x"),
            ".entry[1].resource",
            "type",
        ),
        Row {
            name: "a choice made twice",
            resource: "Condition",
            changes: vec![("/onsetDateTime", json!("2020"))],
            path: ".onset",
            rule: "choice",
        },
        row(
            "an element without content",
            "Condition",
            "/code",
            json!({}),
            ".code",
            "ele-1",
        ),
        row(
            "an element with nothing but an id",
            "Patient",
            "/name",
            json!([{"id": "a"}]),
            ".name[0]",
            "ele-1",
        ),
    ]
}

fn primitives() -> Vec<Row> {
    vec![
        row(
            "an empty string",
            "Condition",
            "/onsetString",
            json!(""),
            ".onset.ofType(string)",
            "format",
        ),
        row(
            "a day that does not exist",
            "Patient",
            "/birthDate",
            json!("2023-02-29"),
            ".birthDate",
            "date",
        ),
        row(
            "a date in another form",
            "Patient",
            "/birthDate",
            json!("31.01.2020"),
            ".birthDate",
            "format",
        ),
        row(
            "a month that does not exist",
            "Condition",
            "/recordedDate",
            json!("2020-13"),
            ".recordedDate",
            "format",
        ),
        row(
            "a time without a zone",
            "Condition",
            "/recordedDate",
            json!("2020-01-01T10:00:00"),
            ".recordedDate",
            "format",
        ),
        row(
            "an instant without a time",
            "Provenance",
            "/recorded",
            json!("2020-01-01"),
            ".recorded",
            "format",
        ),
        row(
            "an hour that does not exist",
            "Bundle",
            "/timestamp",
            json!("2020-01-01T24:00:00Z"),
            ".timestamp",
            "format",
        ),
        row(
            "a code with a space before it",
            "Patient",
            "/gender",
            json!(" male"),
            ".gender",
            "format",
        ),
        row(
            "an id with an underscore",
            "Patient",
            "/id",
            json!("a_b"),
            ".id",
            "format",
        ),
        row(
            "an id that is too long",
            "Patient",
            "/id",
            json!("a".repeat(65)),
            ".id",
            "format",
        ),
        row(
            "an address with a space",
            "Patient",
            "/implicitRules",
            json!("http://a b"),
            ".implicitRules",
            "format",
        ),
        row(
            "base64 that is not",
            "DocumentReference",
            "/content/0/attachment/data",
            json!("a-b_"),
            ".content[0].attachment.data",
            "format",
        ),
        row(
            "a count that is none",
            "MedicationStatement",
            "/dosage/0/sequence",
            json!(1.5),
            ".dosage[0].sequence",
            "format",
        ),
        row(
            "a frequency of nothing",
            "MedicationStatement",
            "/dosage/0/timing/repeat/frequency",
            json!(0),
            ".dosage[0].timing.repeat.frequency",
            "format",
        ),
        row(
            "a size below nothing",
            "DocumentReference",
            "/content/0/attachment/size",
            json!(-1),
            ".content[0].attachment.size",
            "format",
        ),
    ]
}

fn codes() -> Vec<Row> {
    let other = |code: &str, system: &str| json!({"coding": [{"system": system, "code": code}]});
    vec![
        row(
            "a status that does not exist",
            "Observation",
            "/status",
            json!("done"),
            ".status",
            "binding",
        ),
        row(
            "a status of another resource",
            "MedicationStatement",
            "/status",
            json!("draft"),
            ".status",
            "binding",
        ),
        row(
            "an intent that does not exist",
            "MedicationRequest",
            "/intent",
            json!("wish"),
            ".intent",
            "binding",
        ),
        row(
            "a gender that does not exist",
            "Patient",
            "/gender",
            json!("m"),
            ".gender",
            "binding",
        ),
        row(
            "a Bundle of no type",
            "Bundle",
            "/type",
            json!("list"),
            ".type",
            "binding",
        ),
        row(
            "a unit of time that does not exist",
            "MedicationStatement",
            "/dosage/0/timing/repeat/periodUnit",
            json!("hours"),
            ".dosage[0].timing.repeat.periodUnit",
            "binding",
        ),
        row(
            "a clinical status that does not exist",
            "Condition",
            "/clinicalStatus",
            other(
                "ill",
                "http://terminology.hl7.org/CodeSystem/condition-clinical",
            ),
            ".clinicalStatus",
            "binding",
        ),
        row(
            "a clinical status of another system",
            "Condition",
            "/clinicalStatus",
            other(
                "active",
                "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
            ),
            ".clinicalStatus",
            "binding",
        ),
        row(
            "a clinical status without a code",
            "AllergyIntolerance",
            "/clinicalStatus",
            json!({"text": "active"}),
            ".clinicalStatus",
            "binding",
        ),
        row(
            "a LOINC code with a wrong check digit",
            "Composition",
            "/type/coding",
            json!([{"system": "http://loinc.org", "code": "8867-5"}]),
            ".type.coding[0].code",
            "code",
        ),
        row(
            "an RxNorm code that is no number",
            "MedicationStatement",
            "/medicationCodeableConcept/coding/0",
            json!({"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "RX1"}),
            ".medication.ofType(CodeableConcept).coding[0].code",
            "code",
        ),
        row(
            "an ICD-10-CM code of another form",
            "Condition",
            "/code/coding/0",
            json!({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "cough"}),
            ".code.coding[0].code",
            "code",
        ),
        row(
            "a unit that is not UCUM",
            "MedicationStatement",
            "/dosage/0/doseAndRate/0/doseQuantity",
            json!({"value": 1, "unit": "tablet", "system": "http://unitsofmeasure.org", "code": "tablet"}),
            ".dosage[0].doseAndRate[0].dose.ofType(Quantity).code",
            "unit",
        ),
    ]
}

fn references() -> Vec<Row> {
    vec![
        row(
            "a reference to no entry",
            "Condition",
            "/subject/reference",
            json!("urn:uuid:00000000-0000-4000-8000-000000000000"),
            ".subject.reference",
            "unresolved",
        ),
        row(
            "a reference out of the Bundle",
            "Condition",
            "/asserter",
            json!({"reference": "Patient/elsewhere"}),
            ".asserter.reference",
            "unresolved",
        ),
        row(
            "a reference to nothing contained",
            "Condition",
            "/subject/reference",
            json!("#patient"),
            ".subject",
            "ref-1",
        ),
        row(
            "a reference by type to what may not stand there",
            "Condition",
            "/subject",
            json!({"type": "Device", "display": "x"}),
            ".subject",
            "target",
        ),
        row(
            "a type that is not that of the target",
            "Condition",
            "/subject/type",
            json!("Group"),
            ".subject.type",
            "target",
        ),
        row(
            "a relative fullUrl",
            "Bundle",
            "/entry/12/fullUrl",
            json!("Observation/1"),
            ".entry[12].fullUrl",
            "full-url",
        ),
        row(
            "a fullUrl that is no UUID",
            "Bundle",
            "/entry/12/fullUrl",
            json!("urn:uuid:123"),
            ".entry[12].fullUrl",
            "full-url",
        ),
        Row {
            name: "a fullUrl that speaks of another id",
            resource: "Bundle",
            changes: vec![
                (
                    "/entry/12/fullUrl",
                    json!("http://example.org/Composition/a"),
                ),
                ("/entry/12/resource/id", json!("b")),
            ],
            path: ".entry[12].fullUrl",
            rule: "full-url",
        },
    ]
}

fn rules() -> Vec<Row> {
    let coded = |system: &str, code: &str| json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code}]});
    let medication = json!({"resourceType": "Medication", "id": "m", "code": {"text": "x"}});
    vec![
        row(
            "an error that is still active",
            "Condition",
            "/verificationStatus",
            coded("condition-ver-status", "entered-in-error"),
            "",
            "con-5",
        ),
        row(
            "over, and still active",
            "Condition",
            "/abatementString",
            json!("yesterday"),
            "",
            "con-4",
        ),
        row(
            "a stage of nothing",
            "Condition",
            "/stage",
            json!([{"type": {"text": "x"}}]),
            ".stage[0]",
            "con-1",
        ),
        row(
            "evidence of nothing",
            "Condition",
            "/evidence",
            json!([{"extension": [{"url": "urn:x", "valueBoolean": true}]}]),
            ".evidence[0]",
            "con-2",
        ),
        row(
            "an allergy without clinical status",
            "AllergyIntolerance",
            "/clinicalStatus",
            Value::Null,
            "",
            "ait-1",
        ),
        row(
            "an allergy in error with clinical status",
            "AllergyIntolerance",
            "/verificationStatus",
            coded("allergyintolerance-verification", "entered-in-error"),
            "",
            "ait-2",
        ),
        row(
            "a value and a reason for having none",
            "Observation",
            "/dataAbsentReason",
            json!({"text": "x"}),
            "",
            "obs-6",
        ),
        row(
            "a reference range of nothing",
            "Observation",
            "/referenceRange",
            json!([{"type": {"text": "x"}}]),
            ".referenceRange[0]",
            "obs-3",
        ),
        row(
            "a contact without content",
            "Patient",
            "/contact",
            json!([{"gender": "male"}]),
            ".contact[0]",
            "pat-1",
        ),
        row(
            "a section of nothing",
            "Composition",
            "/section/0",
            json!({"title": "x"}),
            ".section[0]",
            "cmp-1",
        ),
        row(
            "a section that is empty and is not",
            "Composition",
            "/section/0",
            json!({"emptyReason": {"text": "x"}, "entry": [{"display": "x"}]}),
            ".section[0]",
            "cmp-2",
        ),
        Row {
            name: "an age and a birth of a relative",
            resource: "FamilyMemberHistory",
            changes: vec![("/ageString", json!("60")), ("/bornString", json!("1960"))],
            path: "",
            rule: "fhs-1",
        },
        row(
            "an estimate of no age",
            "FamilyMemberHistory",
            "/estimatedAge",
            json!(true),
            "",
            "fhs-2",
        ),
        row(
            "a period that ends before it begins",
            "Encounter",
            "/period",
            json!({"start": "2020-02-01", "end": "2020-01-31"}),
            ".period",
            "per-1",
        ),
        row(
            "data without a content type",
            "DocumentReference",
            "/content/0/attachment/contentType",
            Value::Null,
            ".content[0].attachment",
            "att-1",
        ),
        row(
            "a telephone number of no system",
            "Patient",
            "/telecom",
            json!([{"value": "1"}]),
            ".telecom[0]",
            "cpt-2",
        ),
        row(
            "a unit's code without its system",
            "Observation",
            "/valueQuantity",
            json!({"value": 1, "code": "%"}),
            ".value.ofType(Quantity)",
            "qty-3",
        ),
        row(
            "an extension with a value and extensions",
            "Condition",
            "/extension/0/valueString",
            json!("x"),
            ".extension[0]",
            "ext-1",
        ),
        row(
            "an extension of nothing",
            "Condition",
            "/extension/0/extension",
            Value::Null,
            ".extension[0]",
            "ext-1",
        ),
        row(
            "a period without its unit",
            "MedicationStatement",
            "/dosage/0/timing/repeat/periodUnit",
            Value::Null,
            ".dosage[0].timing.repeat",
            "tim-2",
        ),
        row(
            "a period below nothing",
            "MedicationStatement",
            "/dosage/0/timing/repeat/period",
            json!(-8),
            ".dosage[0].timing.repeat",
            "tim-5",
        ),
        row(
            "a length of time that is none",
            "MedicationStatement",
            "/dosage/0/timing/repeat/boundsDuration/value",
            Value::Null,
            ".dosage[0].timing.repeat.bounds.ofType(Duration)",
            "drt-1",
        ),
        row(
            "a script in a narrative",
            "Composition",
            "/section/0/text/div",
            json!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"),
            ".section[0].text.div",
            "txt-1",
        ),
        row(
            "a narrative of nothing",
            "Composition",
            "/section/0/text/div",
            json!("<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"),
            ".section[0].text.div",
            "txt-2",
        ),
        row(
            "a contained resource that nobody names",
            "Condition",
            "/contained",
            json!([medication]),
            "",
            "dom-3",
        ),
        row(
            "a total of what was not searched",
            "Bundle",
            "/total",
            json!(1),
            "",
            "bdl-1",
        ),
        row(
            "a request in a collection",
            "Bundle",
            "/entry/0/request",
            json!({"method": "POST", "url": "Patient"}),
            "",
            "bdl-3",
        ),
        row(
            "an answer in a collection",
            "Bundle",
            "/entry/0/response",
            json!({"status": "200"}),
            "",
            "bdl-4",
        ),
        row(
            "a search in a collection",
            "Bundle",
            "/entry/0/search",
            json!({"mode": "match"}),
            "",
            "bdl-2",
        ),
        row(
            "an entry of nothing",
            "Bundle",
            "/entry/16",
            json!({"link": [{"relation": "self", "url": "urn:x"}]}),
            ".entry[16]",
            "bdl-5",
        ),
    ]
}

fn vital_signs() -> Vec<Row> {
    vec![
        row(
            "a vital sign in no category",
            "Observation",
            "/category",
            Value::Null,
            ".category",
            "vital-sign",
        ),
        row(
            "a vital sign at no time",
            "Observation",
            "/effectiveDateTime",
            Value::Null,
            ".effective",
            "vital-sign",
        ),
        row(
            "a vital sign of nobody",
            "Observation",
            "/subject",
            Value::Null,
            ".subject",
            "vital-sign",
        ),
        row(
            "a vital sign of a month",
            "Observation",
            "/effectiveDateTime",
            json!("2020-01"),
            ".effective.ofType(dateTime)",
            "vs-1",
        ),
        row(
            "a vital sign without value or reason",
            "Observation",
            "/valueQuantity",
            Value::Null,
            "",
            "vs-2",
        ),
        row(
            "a component without value or reason",
            "Observation:1",
            "/component/0/valueQuantity",
            Value::Null,
            ".component[0]",
            "vs-3",
        ),
        row(
            "a pulse in percent",
            "Observation",
            "/valueQuantity/code",
            json!("%"),
            ".value.ofType(Quantity).code",
            "vital-sign",
        ),
        row(
            "a pulse without a unit to read",
            "Observation",
            "/valueQuantity/unit",
            Value::Null,
            ".value.ofType(Quantity).unit",
            "vital-sign",
        ),
        row(
            "a pulse as words",
            "Observation",
            "/valueQuantity",
            json!(null),
            "",
            "vs-2",
        ),
        row(
            "a temperature of another code than its profile",
            "Observation:2",
            "/code/coding",
            Value::Null,
            ".code",
            "vital-sign",
        ),
        row(
            "half a blood pressure",
            "Observation:1",
            "/component/1",
            Value::Null,
            ".component",
            "vital-sign",
        ),
        row(
            "a blood pressure with a value of its own",
            "Observation:1",
            "/valueQuantity",
            json!({"value": 1}),
            ".value.ofType(Quantity)",
            "vital-sign",
        ),
    ]
}

fn transactions() -> Vec<Row> {
    vec![
        row(
            "a transaction that does not say what to do",
            "Bundle",
            "/entry/0/request",
            Value::Null,
            "",
            "bdl-3",
        ),
        row(
            "a request without a method",
            "Bundle",
            "/entry/0/request/method",
            Value::Null,
            ".entry[0].request.method",
            "required",
        ),
        row(
            "a method that does not exist",
            "Bundle",
            "/entry/0/request/method",
            json!("SEND"),
            ".entry[0].request.method",
            "binding",
        ),
        row(
            "two entries of one address",
            "Bundle",
            "/entry/16",
            json!({"fullUrl": "urn:x", "resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}),
            "",
            "",
        ),
    ]
}

/// Makes a change; a pointer ends at a place in an object or an array.
fn change(value: &mut Value, (at, to): &Change) {
    let (parent, name) = at.rsplit_once('/').unwrap();
    match value
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {parent}"))
    {
        Value::Array(all) => {
            let nth: usize = name.parse().unwrap();
            if to.is_null() {
                all.remove(nth);
            } else if nth < all.len() {
                all[nth] = to.clone();
            } else {
                all.push(to.clone());
            }
        }
        Value::Object(all) if to.is_null() => {
            drop(all.remove(name).unwrap_or_else(|| panic!("no {at}")))
        }
        Value::Object(all) => drop(all.insert(name.to_owned(), to.clone())),
        _ => panic!("{parent} has no children"),
    }
}

/// The bundle with the change, and the path of the resource that has it.
fn changed(bundle: &Value, row: &Row) -> (Value, String) {
    let mut bundle = bundle.clone();
    let (kind, nth) = row.resource.split_once(':').unwrap_or((row.resource, "0"));
    let nth: usize = nth.parse().unwrap();
    if kind == "Bundle" {
        row.changes.iter().for_each(|one| change(&mut bundle, one));
        return (bundle, "Bundle".to_owned());
    }
    let entries = bundle["entry"].as_array_mut().unwrap();
    let (at, entry) = entries
        .iter_mut()
        .enumerate()
        .filter(|(_, entry)| entry["resource"]["resourceType"] == kind)
        .nth(nth)
        .unwrap_or_else(|| panic!("no {}", row.resource));
    row.changes
        .iter()
        .for_each(|one| change(&mut entry["resource"], one));
    (bundle, format!("Bundle.entry[{at}].resource"))
}

fn check(rows: Vec<Row>, kind: Kind) -> usize {
    let bundle = sample::bundle(kind);
    assert_eq!(
        validate(&bundle),
        vec![],
        "what the changes are made to is valid"
    );
    let mut wrong = Vec::new();
    for row in &rows {
        let (bundle, prefix) = changed(&bundle, row);
        let found: Vec<(String, &str)> = validate(&bundle)
            .into_iter()
            .map(|issue| (issue.path, issue.rule))
            .collect();
        let expected = vec![(format!("{prefix}{}", row.path), row.rule)];
        if found != expected {
            wrong.push(format!(
                "{}: expected {expected:?}, found {found:?}",
                row.name
            ));
        }
        println!(
            "{}",
            json!({"invalid": bundle, "name": row.name, "rule": row.rule})
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rows.len()
}

#[test]
fn each_wrong_bundle_is_refused_for_its_reason_and_no_other() {
    let collections = [
        structure(),
        primitives(),
        codes(),
        references(),
        rules(),
        vital_signs(),
    ];
    let count: usize = collections
        .into_iter()
        .map(|rows| check(rows, Kind::Collection))
        .sum();
    let count = count + check(transactions(), Kind::Transaction);
    assert!(count >= 60, "{count}");
    println!("{count} invalid bundles");
}
