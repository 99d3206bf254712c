//! Seeds of tables of codes, and of an index of one. Codes and names are invented.

use outpost_clinic::terminology::{Index, icd10cm};

use crate::Seeds;

const TABULAR: &str = "<ICD10CM.tabular><chapter><section><diag><name>M01</name><desc>Marsh fever</desc>\
    <sevenChrDef><extension char=\"A\">first</extension></sevenChrDef>\
    <diag><name>M01.1</name><desc>Wet marsh fever [WMF]</desc><inclusionTerm><note>bog ague (wet)</note></inclusionTerm>\
    <excludes1><note>reed pox (M02)</note></excludes1></diag></diag>\
    <diag><name>M02</name><desc>Reedpox [reed pox]</desc></diag></section></chapter></ICD10CM.tabular>";
const CODES: &str = "M01\nM011\nM011XXA\nM02\n";
const NAMES: &str = "90000001|ENG||||||A1||||RXNORM|IN|1|belaborin||N||\n90000002|ENG||||||A2||||RXNORM|BN|2|Zanofex||N||\n";
const RELATIONS: &str = "90000001||CUI|RO|90000002||CUI|tradename_of|R1||RXNORM|RXNORM||||4096|\n";
const LIST: &str = "system,code,display,synonym\nurn:own,M1,\"Marsh, wet\",bog\n";

/// One of each kind.
pub fn all() -> Seeds {
    let table = icd10cm::read(TABULAR, CODES, "1").expect("the table is sound");
    let index = table.to_bytes().expect("an index can be made");
    Index::from_bytes(&index).expect("the index is sound");
    let pair = |first: &str, second: &str| [first, second].join("\0").into_bytes();
    Seeds::from([
        seed("index", 0, &index[20..]),
        seed("rxnorm", 1, &pair(NAMES, RELATIONS)),
        seed("list", 2, LIST.as_bytes()),
        seed("icd10cm", 3, &pair(TABULAR, CODES)),
    ])
}

fn seed(name: &str, kind: u8, rest: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), [&[kind], rest].concat())
}
