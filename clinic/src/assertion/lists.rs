//! Words by which [`super`] tells what is said of a thing.

/// Deny what follows, near by.
pub const NOT: &[&str] = &["not", "never", "cannot", "nor", "neither", "hardly"];

/// Deny what follows.
pub const NO: &[&str] = &["no", "without", "nil", "none", "negative"];

/// Deny what follows, and what follows an `and` too.
pub const DENY: &[&str] = &["denies", "denied", "deny", "denying"];

/// An answer or a remark that denies what stood before.
pub const ANSWERS: &[&str] = &[
    "no", "nope", "nah", "none", "never", "not", "absent", "nil", "negative", "denied", "denies",
];

/// Begin a statement of their own, so that a denial before them does not reach further.
pub const BREAKS: &[&str] = &[
    "but", "however", "although", "though", "except", "yet", "he", "she", "it", "they", "i", "we",
    "you", "who", "that", "which", "because", "so", "then", "when", "after", "before", "until",
    "while", "since", "if", "is", "was", "are", "were", "apart", "besides", "unless", "just",
    "instead",
];

/// Begin a statement of their own after a comma or an `and`.
pub const VERBS: &[&str] = &[
    "has",
    "had",
    "have",
    "having",
    "does",
    "did",
    "do",
    "with",
    "started",
    "starts",
    "began",
    "now",
    "today",
    "yesterday",
    "also",
    "became",
    "becomes",
    "got",
    "gets",
    "developed",
    "complains",
    "reports",
    "looks",
    "seems",
    "can",
    "will",
];

/// Turn a denial round or leave it open: `not only`, `no change in`, `has not stopped`.
pub const OPEN: &[&str] = &[
    "only",
    "doubt",
    "change",
    "changes",
    "improvement",
    "improving",
    "stop",
    "stops",
    "stopped",
    "stopping",
    "sure",
    "certain",
    "clear",
    "better",
    "relief",
    "rule",
    "ruled",
    "exclude",
    "excluded",
    "ceased",
    "ceasing",
    "resolved",
    "settled",
    "settling",
    "further",
    "more",
    "know",
    "known",
    "doubts",
];

/// May stand between a denial and the one thing that it denies.
pub const PASS: &[&str] = &[
    "any",
    "a",
    "an",
    "the",
    "sign",
    "signs",
    "of",
    "evidence",
    "history",
    "obvious",
    "apparent",
    "severe",
    "acute",
    "active",
    "significant",
    "sudden",
    "have",
    "had",
    "has",
    "having",
    "experienced",
    "experience",
    "experiencing",
    "noticed",
    "notice",
    "seen",
    "see",
    "shown",
    "show",
    "showing",
    "developed",
    "develop",
    "got",
    "get",
    "getting",
    "suffered",
    "suffer",
    "suffering",
    "from",
    "in",
    "really",
    "ever",
    "yet",
    "complained",
    "complaining",
    "complain",
    "report",
    "reported",
    "reporting",
    "been",
    "being",
    "be",
    "seem",
    "seems",
    "seemed",
    "even",
    "always",
    "fully",
    "longer",
    "quite",
    "properly",
    "very",
    "at",
    "all",
    "to",
    "feeling",
    "feel",
    "felt",
    "his",
    "her",
    "their",
    "my",
    "your",
    "currently",
    "complaints",
    "episode",
    "episodes",
    "known",
    "allergy",
    "allergies",
    "allergic",
    "want",
    "wants",
];

/// Limit a denial that they follow: `no convulsions until today`.
pub const UNTIL: &[&str] = &[
    "until", "till", "before", "except", "apart", "aside", "other", "unless", "but", "though",
    "although", "however",
];

/// Limit an answer: `No, only yesterday.`
pub const LIMITS: &[&str] = &[
    "only",
    "yesterday",
    "earlier",
    "well",
    "actually",
    "yes",
    "once",
    "maybe",
    "perhaps",
    "think",
    "sometimes",
];

/// Persons who are not the patient.
pub const RELATIVES: &[&str] = &[
    "mother",
    "father",
    "mum",
    "mom",
    "dad",
    "brother",
    "brothers",
    "sister",
    "sisters",
    "aunt",
    "uncle",
    "cousin",
    "grandmother",
    "grandfather",
    "grandma",
    "grandpa",
    "husband",
    "wife",
    "neighbour",
    "neighbor",
    "niece",
    "nephew",
    "twin",
    "sibling",
    "siblings",
    "parents",
];

/// Relatives who are the patient where a birth is spoken of.
pub const MOTHERS: &[&str] = &["mother", "mum", "mom", "grandmother", "grandma", "parents"];

/// Whose relative it must be for that to be certain. `my mother` and `the mother` may be the patient.
pub const OWNERS: &[&str] = &["his", "her", "their", "patient's", "child's", "baby's"];

/// Say that someone has a sign.
pub const SUFFERS: &[&str] = &[
    "had", "has", "have", "suffers", "suffered", "gets", "got", "was", "is", "died", "with",
];

/// May stand between that and the sign.
pub const DESCRIBE: &[&str] = &[
    "a", "an", "the", "from", "of", "also", "severe", "some", "not", "been", "two", "had", "new",
    "three", "many",
];

/// Advice on when to seek help.
pub const ADVICE: &[&str] = &["come", "return", "bring", "call", "seek", "go", "contact"];

/// Say that what was before is still so.
pub const LASTING: &[&str] = &[
    "since",
    "still",
    "now",
    "again",
    "ever",
    "today",
    "continues",
    "persists",
];
