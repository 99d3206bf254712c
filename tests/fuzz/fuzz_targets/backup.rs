//! A backup of conversations, as who knows its passphrase can write it: tags are authentic but where their first byte
//! says that they are not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_fuzz::vault_ports::{BackupFile, OpenVault, now};
use outpost_fuzz::{check_error, within};
use outpost_vault::{Cost, Error, Vault};

const WORDS: &str = "words of the backup";

/// Memory for a byte of the backup, and for none.
const FACTOR: u64 = 256;
const BASE_BYTES: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let file = BackupFile(data.to_vec());
    within(FACTOR * data.len() as u64 + BASE_BYTES, || {
        let vault = empty();
        match now(vault.import(WORDS, &file)) {
            Ok(imported) => {
                let here = vault.list().expect("it is open").len();
                assert!(here <= (imported.added + imported.updated) as usize);
                // What is here now is not taken in again.
                let again = now(vault.import(WORDS, &file)).expect("it was sound");
                assert_eq!(again.added, 0);
                assert_eq!(vault.list().expect("it is open").len(), here);
            }
            Err(error) => {
                check_error(&error);
                if !matches!(error, Error::TooLarge { .. }) {
                    assert_eq!(vault.list(), Ok(Vec::new()), "nothing of it was taken in");
                }
            }
        }
        check_export(&vault);
    });
});

fn empty() -> OpenVault {
    let vault = Vault::new(Default::default(), Default::default());
    now(vault.create(&[], Cost::default())).expect("an empty store");
    vault
}

/// Whatever came in is whole, and goes out and comes in elsewhere; but for pictures that it names and never had.
fn check_export(vault: &OpenVault) {
    assert_eq!(now(vault.verify()), Ok(Vec::new()));
    let mut file = BackupFile::default();
    let exported = now(vault.export(WORDS, Cost::default(), &mut file)).expect("memory is endless");
    let list = vault.list().expect("it is open");
    assert_eq!(
        exported.conversations as usize + exported.left_out.len(),
        list.len()
    );
    let other = empty();
    let imported = now(other.import(WORDS, &file)).expect("it was just written");
    assert_eq!(imported.added, exported.conversations);
    assert_eq!(now(other.verify()), Ok(Vec::new()));
}
