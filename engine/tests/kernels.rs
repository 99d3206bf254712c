//! Every GPU kernel against its plain CPU reference.

#[path = "support/kernel_cases.rs"]
mod cases;

#[test]
fn products_with_packed_weights_match_the_reference() {
    pollster::block_on(cases::products_match());
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
fn rings_hold_what_was_stored_and_attention_reads_them() {
    pollster::block_on(cases::cached_attention_matches());
}

#[test]
fn elementwise_work_matches_the_reference() {
    pollster::block_on(cases::elementwise_matches());
}
