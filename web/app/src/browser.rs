//! The browser itself: what it is called, its clipboard, and its ways to share and to save.

use gloo::timers::callback::Timeout;
use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::prelude::{document, window};
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemRemoveOptions, HtmlAnchorElement, Navigator, Url,
};

/// How long what is being saved stays readable.
const SAVED_MS: u32 = 60_000;

/// What stands before the version in `navigator.userAgent`, and what that browser is called. Those that name others beside
/// themselves come first.
const USER_AGENTS: [(&str, &str); 6] = [
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("EdgiOS/", "Edge"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

/// The browser's name and version.
pub fn name() -> String {
    let navigator = window().navigator();
    branded(&navigator).unwrap_or_else(|| {
        let agent = navigator.user_agent().unwrap_or_default();
        by_user_agent(&agent).unwrap_or(agent)
    })
}

/// By User-Agent Client Hints, which not every browser has.
fn branded(navigator: &Navigator) -> Option<String> {
    let hints = Reflect::get(navigator, &"userAgentData".into()).ok()?;
    let brands: Array = Reflect::get(&hints, &"brands".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let field = |brand: &JsValue, name: &str| Reflect::get(brand, &name.into()).ok()?.as_string();
    let named = |brand: JsValue| Some((field(&brand, "brand")?, field(&brand, "version")?));
    let mut brands: Vec<(String, String)> = brands.iter().filter_map(named).collect();
    // One of them is no browser: it keeps pages from relying on the list, and is always some spelling of "not a brand".
    brands.retain(|(brand, _)| !brand.trim_start().starts_with("Not"));
    // Every browser that is made from Chromium names that too.
    let own = brands.iter().find(|(brand, _)| brand != "Chromium");
    let (brand, version) = own.or(brands.first())?;
    Some(format!("{brand} {version}"))
}

fn by_user_agent(agent: &str) -> Option<String> {
    USER_AGENTS.iter().find_map(|(before, name)| {
        let (_, version) = agent.split_once(before)?;
        let version: String = version.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("{name} {version}"))
    })
}

/// Has the browser save what lies at a `blob:` address, and lets go of it after a while.
pub fn save(address: &str, name: &str) {
    let link = document().create_element("a").ok();
    let Some(link) = link.and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok()) else {
        return;
    };
    link.set_href(address);
    link.set_download(name);
    link.click();
    let address = address.to_owned();
    Timeout::new(SAVED_MS, move || {
        let _ = Url::revoke_object_url(&address);
    })
    .forget();
}

/// Removes a folder of the page's own storage, with everything in it -> whether it is gone.
pub async fn remove_folder(name: &str) -> bool {
    let root = JsFuture::from(window().navigator().storage().get_directory()).await;
    let Ok(root) = root.map(JsCast::unchecked_into::<FileSystemDirectoryHandle>) else {
        return true;
    };
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    let removed = JsFuture::from(root.remove_entry_with_options(name, &options)).await;
    removed.map_or_else(
        |error| {
            let name = Reflect::get(&error, &"name".into()).ok();
            name.and_then(|name| name.as_string()).as_deref() == Some("NotFoundError")
        },
        |_| true,
    )
}

/// Puts text on the clipboard -> whether the browser let it.
pub async fn copy(text: &str) -> bool {
    let written = window().navigator().clipboard().write_text(text);
    JsFuture::from(written).await.is_ok()
}

/// Whether the browser can hand text to another application.
pub fn can_share() -> bool {
    share_function().is_some()
}

/// Shows the browser's own sheet that shares text. Must be called while a press is being handled.
pub fn share(title: &str, text: &str) {
    let Some(share) = share_function() else {
        return;
    };
    let shared = || -> Result<Promise, JsValue> {
        let data = Object::new();
        Reflect::set(&data, &"title".into(), &title.into())?;
        Reflect::set(&data, &"text".into(), &text.into())?;
        share.call1(&window().navigator(), &data)?.dyn_into()
    };
    if let Ok(shared) = shared() {
        // Someone who closes the sheet has changed their mind, which is no error.
        spawn_local(async move {
            let _ = JsFuture::from(shared).await;
        });
    }
}

fn share_function() -> Option<Function> {
    Reflect::get(&window().navigator(), &"share".into())
        .ok()?
        .dyn_into()
        .ok()
}
