//! Asking a model to think before it answers.
//!
//! Source: google-health/medgemma, notebooks/quick_start_with_hugging_face.ipynb (commit 2b56b95); the 1.5 technical
//! report uses it for text (arXiv:2604.05081, appendix B). The engine keeps the thought apart from the answer, and does so
//! without this instruction as well: MedGemma 1.5 may think unasked.

/// What a system instruction begins with, verbatim.
pub const INSTRUCTION: &str = "SYSTEM INSTRUCTION: think silently if needed.";

/// The system instruction that lets a model think; `role` is the instruction that it would have without, if any.
pub fn system(role: Option<&str>) -> String {
    match role {
        Some(role) => format!("{INSTRUCTION} {role}"),
        None => INSTRUCTION.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_follows_the_instruction_after_one_space() {
        assert_eq!(system(None), INSTRUCTION);
        assert_eq!(
            system(Some("You are a helpful medical assistant.")),
            "SYSTEM INSTRUCTION: think silently if needed. You are a helpful medical assistant."
        );
    }
}
