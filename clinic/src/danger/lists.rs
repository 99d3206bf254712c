//! Words by which [`super::words`] tells whether a sign was said of the patient.

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

/// Take the force from a denied ability: `no trouble breathing` is not `not breathing`.
pub const TROUBLE: &[&str] = &[
    "trouble",
    "difficulty",
    "difficulties",
    "problem",
    "problems",
    "issue",
    "issues",
    "pain",
    "stop",
    "stopped",
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

/// Whose relative it must be for that to be certain. `my mother` may be the patient.
pub const OWNERS: &[&str] = &[
    "his",
    "her",
    "their",
    "patient's",
    "child's",
    "baby's",
    "the",
    "a",
    "an",
    "older",
    "younger",
];

/// Say that someone has a sign.
pub const SUFFERS: &[&str] = &[
    "had", "has", "have", "suffers", "suffered", "gets", "got", "was", "is", "died", "with",
];

/// What follows is advice: when to return, not what is.
pub const ADVICE: &[&str] = &[
    "come", "return", "bring", "call", "seek", "watch", "go", "contact", "tell", "hospital",
    "back", "urgently",
];
