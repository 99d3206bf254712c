//! FHIR R4: what is made is valid, what is invalid is refused for the right reason, and nothing hostile does harm.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod bundles;
mod hostile;
mod invalid;
mod invariants;
mod sample;
