//! Where references lead: to a contained resource (`#id`), to another entry of the Bundle, or out of it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::walk::{Object, Walk, fragments};
use super::{Links, rule};
use crate::fhir::table::Kind;

/// What references of a resource can lead to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Scope<'a> {
    /// The resource that contains others, or is contained by none.
    container: Option<&'a Object>,
    /// What the container contains: id to type.
    ids: Option<&'a Contained<'a>>,
    /// Whether the resource is itself contained.
    contained: bool,
    /// The innermost Bundle around it.
    bundle: Option<&'a Index<'a>>,
}

impl<'a> Scope<'a> {
    /// The scope of a resource that lies here.
    pub fn of_resource(self, object: &'a Object, ids: &'a Contained<'a>) -> Self {
        match self.container {
            // A Bundle contains nothing: its entries are resources on their own.
            Some(outer) if outer.get("resourceType").and_then(Value::as_str) != Some("Bundle") => {
                Self {
                    contained: true,
                    ..self
                }
            }
            _ => Self {
                container: Some(object),
                ids: Some(ids),
                ..self
            },
        }
    }

    /// The scope of what lies in a Bundle with these entries.
    pub fn with_entries(self, index: &'a Index<'a>) -> Self {
        Self {
            bundle: Some(index),
            ..self
        }
    }

    /// `dom-3`: every contained resource is referred to, or refers to its container.
    pub fn is_contained_used(&self, object: &Object) -> bool {
        let Some(contained) = object.get("contained").and_then(Value::as_array) else {
            return true;
        };
        let mut used = HashSet::new();
        object
            .values()
            .for_each(|value| fragments(value, &mut used, 0));
        contained.iter().all(|resource| {
            let id = resource.get("id").and_then(Value::as_str);
            let mut own = HashSet::new();
            fragments(resource, &mut own, 0);
            id.is_some_and(|id| used.contains(id)) || own.contains("")
        })
    }

    /// The type of the contained resource with this id.
    fn contained_type(&self, id: &str) -> Option<&'a str> {
        let container = self.container?;
        if id.is_empty() {
            return self
                .contained
                .then(|| container.get("resourceType").and_then(Value::as_str))
                .flatten();
        }
        self.ids?.get(id).copied()
    }
}

/// Contained resources: id to type.
pub type Contained<'a> = HashMap<&'a str, &'a str>;

/// What `object` contains.
pub fn contained(object: &Object) -> Contained<'_> {
    let all = object.get("contained").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(|one| Some((one.get("id")?.as_str()?, one.get("resourceType")?.as_str()?)))
        .collect()
}

/// A Bundle's entries by address.
#[derive(Debug, Default)]
pub struct Index<'a> {
    /// `fullUrl` to the type of the resource, where it says one.
    by_url: HashMap<&'a str, Option<&'a str>>,
    /// `Type/id`.
    by_id: HashSet<(&'a str, &'a str)>,
}

impl<'a> Index<'a> {
    /// The entries of `bundle`.
    pub fn of(bundle: &'a Object) -> Self {
        let mut index = Self::default();
        for entry in bundle
            .get("entry")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let resource = entry.get("resource");
            let text = |name| resource.and_then(|of| of.get(name)).and_then(Value::as_str);
            let name = text("resourceType");
            if let Some(url) = entry.get("fullUrl").and_then(Value::as_str) {
                index.by_url.insert(url, name);
                index
                    .by_id
                    .extend(rest_address(url).map(|(_, kind, id)| (kind, id)));
            }
            index.by_id.extend(name.zip(text("id")));
        }
        index
    }
}

/// `base`, `Type` and `id` of a RESTful address, relative or absolute, without its version.
fn rest_address(url: &str) -> Option<(&str, &str, &str)> {
    let url = url
        .split_once("/_history/")
        .map_or(url, |(before, _)| before);
    let (rest, id) = url.rsplit_once('/')?;
    let (base, kind) = rest.rsplit_once('/').unwrap_or(("", rest));
    let is_type = kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphabetic());
    (is_type && super::primitive::is_id(id)).then_some((base, kind, id))
}

/// What is wrong with an entry's `fullUrl`.
pub fn wrong_full_url(entry: &Value) -> Option<String> {
    let url = entry.get("fullUrl")?.as_str()?;
    let shown: String = url.chars().take(80).collect();
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        return Some(format!(
            "`{shown}` is not an absolute address; such as urn:uuid: and a UUID"
        ));
    }
    if let Some(uuid) = url.strip_prefix("urn:uuid:")
        && !super::primitive::is_uuid(uuid)
    {
        return Some(format!(
            "`{shown}` is not a UUID of 32 digits 0-9 a-f in groups of 8, 4, 4, 4 and 12"
        ));
    }
    let (_, kind, id) = rest_address(url).filter(|_| scheme.starts_with("http"))?;
    let resource = entry.get("resource")?;
    let text = |name| resource.get(name).and_then(Value::as_str);
    let differs = text("resourceType").is_some_and(|name| name != kind)
        || text("id").is_some_and(|own| own != id);
    differs.then(|| format!("`{shown}` speaks of another type or id than the resource"))
}

impl Walk {
    /// A reference: that it leads somewhere, and to a type that may stand here.
    pub fn reference(&mut self, object: &Object, kind: &Kind, scope: &Scope<'_>) {
        let said = object.get("type").and_then(Value::as_str);
        let target = match object.get("reference").and_then(Value::as_str) {
            Some(reference) => self.resolve(reference, scope),
            None => said,
        };
        let Some(target) = target else { return };
        let allowed = kind.targets.is_empty() || kind.targets.contains(&target);
        if !allowed {
            let target: String = target.chars().take(40).collect();
            self.issue(
                rule::TARGET,
                format!("leads to {target}; may lead to {}", kind.targets.join(", ")),
            );
        } else if said.is_some_and(|said| said != target) {
            self.at(".type", |walk| {
                walk.issue(rule::TARGET, format!("the reference leads to {target}"))
            });
        }
    }

    /// The type of what a literal reference leads to, where it can be known.
    fn resolve<'a>(&mut self, reference: &'a str, scope: &Scope<'a>) -> Option<&'a str> {
        let shown: String = reference.chars().take(80).collect();
        if let Some(id) = reference.strip_prefix('#') {
            let found = scope.contained_type(id);
            if found.is_none() {
                let words = self.table.words("Reference", "ref-1");
                self.issue(
                    "ref-1",
                    format!("`{shown}` is not among the contained resources. {words}"),
                );
            }
            return found;
        }
        let address = rest_address(reference);
        let Some(index) = scope.bundle else {
            return address.map(|(_, kind, _)| kind);
        };
        let found = index.by_url.get(reference).copied().or_else(|| {
            let (base, kind, id) = address?;
            (base.is_empty() && index.by_id.contains(&(kind, id))).then_some(Some(kind))
        });
        let bound_to_bundle =
            reference.starts_with("urn:uuid:") || reference.starts_with("urn:oid:");
        if found.is_none() && (bound_to_bundle || self.links == Links::Inside) {
            self.at(".reference", |walk| {
                walk.issue(
                    rule::UNRESOLVED,
                    format!("`{shown}` is no entry of this Bundle; name an entry's fullUrl"),
                );
            });
            return None;
        }
        found.unwrap_or(address.map(|(_, kind, _)| kind))
    }
}
