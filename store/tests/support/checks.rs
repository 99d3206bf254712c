//! What must be true at every moment of a run.

use std::collections::{BTreeMap, BTreeSet};

use outpost_store::Status;
use pollster::block_on;

use super::histories::Step;
use super::models::Sample;
use super::run::Run;

impl Run<'_> {
    /// Checks that what the caller was told is true, but for what the step that is not done may have changed.
    pub fn check(&self) {
        let step = self.history.steps.get(self.told.done).copied();
        let samples = &self.history.samples;
        let ids: BTreeSet<&str> = samples.iter().map(Sample::id).collect();
        for id in ids {
            let before = self.told.installed.get(id).copied();
            let mut possible = vec![before];
            let is_this = |number: &usize| samples[*number].id() == id;
            let mut spoiled = None;
            match step {
                // What was only to be begun ends if nothing else is missing.
                Some(
                    Step::Install(number)
                    | Step::Begin(number, _)
                    | Step::Convert(number)
                    | Step::BeginConversion(number, _),
                ) if is_this(&number) => {
                    possible.push(Some(number));
                }
                Some(Step::Delete(number)) if is_this(&number) => possible.push(None),
                Some(Step::Adopt) => {
                    possible.extend(
                        self.history
                            .old
                            .iter()
                            .filter(|old| is_this(old))
                            .map(|old| Some(*old)),
                    );
                }
                Some(Step::SpoilAndRepair(number, part)) if is_this(&number) => {
                    spoiled = Some(samples[number].plan()[part].name.clone());
                }
                _ => {}
            }
            self.check_id(id, &possible, spoiled.as_deref());
        }
    }

    /// Checks that what is installed under an id is one of the samples, every byte of it.
    fn check_id(&self, id: &str, possible: &[Option<usize>], spoiled: Option<&str>) {
        let Some(model) = self.library().installed(id) else {
            assert!(possible.contains(&None), "{id} was installed and is gone");
            return;
        };
        let manifest = block_on(self.library().manifest(&model.folder)).unwrap();
        let samples = possible
            .iter()
            .flatten()
            .map(|number| &self.history.samples[*number]);
        let mut samples = samples.filter(|sample| sample.manifest == manifest);
        let Some(sample) = samples.next() else {
            panic!("{id} is installed and should not be, or is another model");
        };
        match &model.status {
            Status::Installed => {}
            Status::Damaged { missing } => {
                assert_eq!(missing, spoiled.as_slice(), "{id} is damaged");
            }
            Status::Unfinished { .. } => panic!("{id} is installed and not finished"),
        }
        for part in sample.plan() {
            if spoiled == Some(part.name.as_str()) {
                continue;
            }
            let path = format!("{}/{}", model.folder, part.name);
            let content = self.disk.content(&path);
            assert!(
                content.as_deref() == Some(sample.shard(&part.name)),
                "{path} of {id} is not what was stored"
            );
            block_on(self.library().read(&model.folder, &part.name)).unwrap();
        }
    }

    /// Checks, after a clean-up, that no file belongs to nobody.
    pub fn check_rubbish(&self) {
        let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in self.disk.paths() {
            match path.split_once('/') {
                Some((folder, file)) => folders
                    .entry(folder.to_owned())
                    .or_default()
                    .push(file.to_owned()),
                None => assert!(path.starts_with("journal."), "{path} is rubbish"),
            }
        }
        let models = self.library().list();
        for (folder, files) in folders {
            let Some(model) = models.iter().find(|model| model.folder == folder) else {
                panic!("the folder {folder} is rubbish: {files:?}");
            };
            let bytes = |file: &String| {
                let content = self.disk.content(&format!("{folder}/{file}"));
                content.unwrap().len() as u64
            };
            let stored: u64 = files.iter().map(bytes).sum();
            let begun = matches!(
                model.status,
                Status::Unfinished { .. } | Status::Damaged { .. }
            );
            if begun && model.id.is_some() {
                // Parts that were begun are kept.
                assert!(stored >= model.bytes, "{folder}");
                let manifests = files.iter().filter(|file| file.starts_with("manifest"));
                assert!(manifests.count() <= 1, "{folder}: {files:?}");
            } else {
                assert_eq!(stored, model.bytes, "{folder} has rubbish: {files:?}");
            }
        }
    }
}
