//! A picture of the size that the image encoder takes, drawn by arithmetic: two dark ovals with a light spot in one of them,
//! on a ground that gets lighter, with a grain.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use crate::error::{Failure, Result};

/// Pixels along each edge.
const SIDE: i64 = 896;

/// Writes the picture into `folder` -> its path.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("picture.png");
    let failed = |error: std::io::Error| Failure::file("write", &path, &error);
    let png = png().map_err(failed)?;
    std::fs::write(&path, png).map_err(failed)?;
    Ok(path)
}

/// An RGB picture as PNG (PNG specification, chapters 5 and 11).
fn png() -> std::io::Result<Vec<u8>> {
    let side = (SIDE as u32).to_be_bytes();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    for y in 0..SIDE {
        let mut row = vec![0]; // No filter.
        row.extend((0..SIDE).flat_map(|x| [shade(x, y); 3]));
        packed.write_all(&row)?;
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    // Eight bits for each of three colours; not interlaced.
    chunk(
        &mut png,
        b"IHDR",
        &[&side[..], &side, &[8, 2, 0, 0, 0]].concat(),
    );
    chunk(&mut png, b"IDAT", &packed.finish()?);
    chunk(&mut png, b"IEND", &[]);
    Ok(png)
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    png.extend(crc.sum().to_be_bytes());
}

fn shade(x: i64, y: i64) -> u8 {
    let within = |centre: (i64, i64), radius: (i64, i64)| {
        let (dx, dy) = (x - centre.0, y - centre.1);
        dx * dx * radius.1 * radius.1 + dy * dy * radius.0 * radius.0
            < radius.0 * radius.0 * radius.1 * radius.1
    };
    let ground = 140 + y * 60 / SIDE;
    let lung = within((280, 430), (150, 300)) || within((620, 430), (150, 300));
    let spot = within((250, 300), (45, 45));
    let base = match (lung, spot) {
        (true, true) => 190,
        (true, false) => 50,
        _ => ground,
    };
    let grain = (x * 7919 + y * 104_729 + x * y * 31) % 17 - 8;
    (base + grain) as u8
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    #[test]
    fn the_picture_is_a_sound_png_of_896_by_896() {
        let png = png().unwrap();
        let mut rest = &png[8..];
        let mut packed = Vec::new();
        let mut kinds = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (body, after) = after.split_at(4 + u32::from_be_bytes(*length) as usize);
            let (crc, after) = after.split_first_chunk::<4>().unwrap();
            let mut sum = Crc::new();
            sum.update(body);
            assert_eq!(sum.sum(), u32::from_be_bytes(*crc));
            kinds.push(body[..4].to_vec());
            match &body[..4] {
                b"IHDR" => assert_eq!(body[4..12], [0, 0, 3, 128, 0, 0, 3, 128]),
                b"IDAT" => packed.extend(&body[4..]),
                _ => {}
            }
            rest = after;
        }
        assert_eq!(kinds, [b"IHDR", b"IDAT", b"IEND"]);
        let mut rows = Vec::new();
        ZlibDecoder::new(&packed[..])
            .read_to_end(&mut rows)
            .unwrap();
        assert_eq!(rows.len(), 896 * (1 + 896 * 3));
        let shades: std::collections::BTreeSet<_> = rows.iter().collect();
        assert!(shades.len() > 64, "{} shades", shades.len());
    }
}
