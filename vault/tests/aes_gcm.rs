//! The cipher of these tests is AES-256-GCM: known answers of McGrew and Viega, "The Galois/Counter Mode of Operation
//! (GCM)", appendix B, test cases 13 to 16, which are also those of NIST's validation of the mode.
#![allow(clippy::unwrap_used)]

mod support;

use outpost_vault::Cipher;
use support::{Aes, wait};

const PLAINTEXT: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const CIPHERTEXT: &str = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                          8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
const KEY: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const NONCE: &str = "cafebabefacedbaddecaf888";
const ASSOCIATED: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

#[test]
fn known_answers() {
    let zeros = "00".repeat(32);
    for (case, key, nonce, associated, plaintext, ciphertext, tag) in [
        (
            13,
            zeros.as_str(),
            &zeros[..24],
            "",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        ),
        (
            14,
            zeros.as_str(),
            &zeros[..24],
            "",
            &zeros[..32],
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            15,
            KEY,
            NONCE,
            "",
            PLAINTEXT,
            CIPHERTEXT,
            "b094dac5d93471bdec1a502270e3cc6c",
        ),
        (
            16,
            KEY,
            NONCE,
            ASSOCIATED,
            &PLAINTEXT[..120],
            &CIPHERTEXT[..120],
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ] {
        let cipher = Aes::seeded(0);
        let key = wait(cipher.key(&bytes(key).try_into().unwrap())).unwrap();
        let nonce = bytes(nonce).try_into().unwrap();
        let (associated, plaintext) = (bytes(associated), bytes(plaintext));
        let sealed = wait(cipher.seal(&key, &nonce, &associated, &plaintext)).unwrap();
        assert_eq!(
            sealed,
            [bytes(ciphertext), bytes(tag)].concat(),
            "case {case}"
        );
        let opened = wait(cipher.open(&key, &nonce, &associated, &sealed)).unwrap();
        assert_eq!(opened, Some(plaintext), "case {case}");
    }
}
