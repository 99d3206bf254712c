//! Writes `docs/danger-signs.md`: `cargo run -p outpost-clinic --example danger_signs > docs/danger-signs.md`.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let page = outpost_clinic::danger::document(&outpost_clinic::danger::Rules::shipped()?);
    Ok(std::io::stdout().write_all(page.as_bytes())?)
}
