//! The vault's cipher: AES-256-GCM and randomness by WebCrypto. Keys cannot be read out again.

use js_sys::{Array, Object, Reflect, Uint8Array};
use leptos::prelude::window;
use outpost_vault::{Cipher, Error, KEY_BYTES, NONCE_BYTES, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey, SubtleCrypto};

use crate::client::text_of;

const ALGORITHM: &str = "AES-GCM";

/// The browser's own cryptography.
pub struct WebCrypto {
    crypto: Crypto,
    subtle: SubtleCrypto,
}

impl WebCrypto {
    /// `None` where the page may not use it.
    pub fn find() -> Option<Self> {
        let crypto = window().crypto().ok()?;
        // Without HTTPS there is none, whatever the bindings say.
        let subtle = Reflect::get(&crypto, &"subtle".into()).ok()?;
        let subtle = subtle.dyn_into::<SubtleCrypto>().ok()?;
        Some(Self { crypto, subtle })
    }
}

impl Cipher for WebCrypto {
    type Key = CryptoKey;

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.crypto
            .get_random_values_with_u8_array(bytes)
            .map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn key(&self, raw: &[u8; KEY_BYTES]) -> Result<CryptoKey> {
        let bytes = Uint8Array::from(&raw[..]);
        let uses = Array::of2(&"encrypt".into(), &"decrypt".into());
        let algorithm = Object::new();
        let imported = Reflect::set(&algorithm, &"name".into(), &ALGORITHM.into()).and_then(|_| {
            self.subtle
                .import_key_with_object("raw", &bytes, &algorithm, false, &uses)
        });
        // The call has taken its copy.
        bytes.fill(0, 0, KEY_BYTES as u32);
        let key = JsFuture::from(imported.map_err(|error| failed(&error))?).await;
        key.and_then(JsCast::dyn_into)
            .map_err(|error| failed(&error))
    }

    async fn seal(
        &self,
        key: &CryptoKey,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>> {
        let sealed = parameters(nonce, associated).and_then(|parameters| {
            self.subtle
                .encrypt_with_object_and_u8_array(&parameters, key, plaintext)
        });
        let sealed = JsFuture::from(sealed.map_err(|error| failed(&error))?).await;
        let sealed = sealed.map_err(|error| failed(&error))?;
        Ok(Uint8Array::new(&sealed).to_vec())
    }

    async fn open(
        &self,
        key: &CryptoKey,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let opened = parameters(nonce, associated).and_then(|parameters| {
            self.subtle
                .decrypt_with_object_and_u8_array(&parameters, key, sealed)
        });
        match JsFuture::from(opened.map_err(|error| failed(&error))?).await {
            Ok(buffer) => {
                let buffer = Uint8Array::new(&buffer);
                let plaintext = buffer.to_vec();
                buffer.fill(0, 0, buffer.length());
                Ok(Some(plaintext))
            }
            // What is not authentic; the browser says no more than this.
            Err(error) if name_of(&error).as_deref() == Some("OperationError") => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn parameters(nonce: &[u8; NONCE_BYTES], associated: &[u8]) -> Result<Object, JsValue> {
    let parameters = Object::new();
    for (name, value) in [
        ("name", ALGORITHM.into()),
        ("iv", Uint8Array::from(&nonce[..]).into()),
        ("additionalData", Uint8Array::from(associated).into()),
    ] {
        Reflect::set(&parameters, &name.into(), &value)?;
    }
    Ok(parameters)
}

fn name_of(error: &JsValue) -> Option<String> {
    Reflect::get(error, &"name".into()).ok()?.as_string()
}

fn failed(error: &JsValue) -> Error {
    Error::Cipher {
        detail: text_of(error),
    }
}
