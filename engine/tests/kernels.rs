//! Every GPU kernel against its plain CPU reference.

#[path = "support/kernel_cases/mod.rs"]
mod cases;

#[test]
fn products_with_packed_weights_match_the_reference() {
    pollster::block_on(cases::products_match());
}

#[test]
fn rounded_products_round_as_the_reference_does() {
    pollster::block_on(cases::rounded_products_round_as_the_reference());
}

#[test]
fn transposed_products_match_the_reference() {
    pollster::block_on(cases::transposed_products_match());
}

#[test]
fn looked_up_rows_are_dequantised_bit_for_bit() {
    pollster::block_on(cases::looked_up_rows_are_exact());
}

#[test]
fn norms_and_rotations_match_the_reference() {
    pollster::block_on(cases::norms_match());
}

#[test]
fn attention_matches_the_reference() {
    pollster::block_on(cases::attention_matches());
}

#[test]
fn heads_are_made_ready_and_rings_hold_what_was_stored() {
    pollster::block_on(cases::heads_and_rings_match());
}

#[test]
fn a_single_tokens_attention_matches_the_reference() {
    pollster::block_on(cases::steps_match());
}

#[test]
fn stacked_matrices_match_the_reference() {
    pollster::block_on(cases::stacked_products_match());
}

#[test]
fn candidates_are_those_of_the_reference() {
    pollster::block_on(cases::candidates_match());
}

#[test]
fn elementwise_work_matches_the_reference() {
    pollster::block_on(cases::elementwise_matches());
}
