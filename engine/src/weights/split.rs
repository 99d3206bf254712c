//! Names of the files of a split GGUF: `NAME-00001-of-00003.gguf` (llama.cpp, `llama_split_path`).

use super::limits::MAX_SPLITS;

/// Digits of each number in a name.
const DIGITS: usize = 5;

/// Which file of a split model a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SplitName<'a> {
    /// What all files of the model begin with.
    pub stem: &'a str,
    /// How many files there are.
    pub count: u64,
    /// Which one it is, from 1.
    pub number: u64,
}

impl<'a> SplitName<'a> {
    /// What `name` says, if it is the name of such a file.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let parse = |digits: &str| -> Option<u64> {
            let all = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| all)
        };
        let (number, count) = (parse(number)?, parse(count)?);
        let sound = (1..=count).contains(&number) && count <= MAX_SPLITS;
        sound.then_some(Self {
            stem,
            count,
            number,
        })
    }

    /// The names of all files of the model, in order.
    pub fn all(&self) -> impl Iterator<Item = String> {
        let Self { stem, count, .. } = *self;
        (1..=count).map(move |number| format!("{stem}-{number:05}-of-{count:05}.gguf"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_file_it_is_and_how_the_others_are_called() {
        let name = SplitName::parse("med-4b-00002-of-00003.gguf");
        let expected = SplitName {
            stem: "med-4b",
            count: 3,
            number: 2,
        };
        assert_eq!(name, Some(expected.clone()));
        let names: Vec<_> = expected.all().collect();
        assert_eq!(names[0], "med-4b-00001-of-00003.gguf");
        assert_eq!(names[2], "med-4b-00003-of-00003.gguf");
    }

    #[test]
    fn other_names_are_no_part_of_a_split() {
        for name in [
            "m.gguf",
            "m-2-of-00003.gguf",
            "m-00001-of-3.gguf",
            "m-00001-of-00003.bin",
            "m-00000-of-00003.gguf",
            "m-00004-of-00003.gguf",
            "m-00001-of-99999.gguf",
        ] {
            assert_eq!(SplitName::parse(name), None, "{name}");
        }
    }
}
