//! Candidates for what somebody said: by its words, each as it is, spelt otherwise or begun, weighed by how rare they are.
//!
//! A term's score grows with the part of the question that it explains, and with the part of the term that the question
//! names, so that neither half of what was said nor detail that nobody mentioned makes a good candidate.

use std::collections::HashMap;

use fst::automaton::Str;
use fst::{Automaton, IntoStreamer, Streamer};

use super::index::Index;
use super::spelling::{Alike, allowed_slips};
use super::table::{Ending, TermKind};
use super::words;
use super::{Candidate, Match};

/// Words of a question that are looked at.
const MOST_QUESTION_WORDS: usize = 24;

/// Bytes of a question that are looked at.
const MOST_QUESTION_BYTES: usize = 1024;

/// Words of a question whose spelling is looked into: each is a walk through all words of the table.
const MOST_SPELT: usize = 8;

/// Words of the table that one word of a question may stand for.
const MOST_READINGS: usize = 48;

/// Terms that are compared letter by letter with the question.
const MOST_COMPARED: usize = 96;

/// Letters from which a word may be the beginning of another.
const LEAST_BEGINNING: usize = 4;

/// What an abbreviation may stand for, at most so many ways.
const MOST_MEANINGS: usize = 4;

/// How far a brand is behind its only ingredient.
const BEHIND_INGREDIENT: f32 = 0.01;

/// A score below this says nothing.
const LEAST_SCORE: f32 = 0.2;

/// How a word of the question was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Same,
    Begun,
    Alike,
}

/// A word of the table that a word of the question may stand for.
struct Meant {
    word: usize,
    quality: f32,
    reading: Reading,
}

/// A term and how well it fits.
#[derive(Debug, Clone, Copy)]
struct Hit {
    term: u32,
    score: f32,
    reading: Reading,
}

impl Index {
    /// At most `limit` codes for `text`, the best first.
    pub fn search(&self, text: &str, limit: usize) -> Vec<Candidate> {
        let end = (0..=MOST_QUESTION_BYTES.min(text.len()))
            .rev()
            .find(|&end| text.is_char_boundary(end));
        let text = &text[..end.unwrap_or(0)];
        let mut asked = words::words(text);
        asked.truncate(MOST_QUESTION_WORDS);
        let mut best: HashMap<u32, Candidate> = HashMap::new();
        if limit > 0 {
            self.by_code(text, &mut best);
            self.by_words(&asked, None, limit, &mut best);
            for (question, _) in self.written_out(&asked) {
                self.by_words(&question, Some(Match::Abbreviation), limit, &mut best);
            }
        }
        let mut found: Vec<Candidate> = best.into_values().collect();
        found.sort_by(|one, other| {
            let certain = |candidate: &Candidate| candidate.matched != Match::Exact;
            other
                .score
                .total_cmp(&one.score)
                .then_with(|| certain(one).cmp(&certain(other)))
                .then_with(|| other.complete.cmp(&one.complete))
                .then_with(|| one.coding.code.len().cmp(&other.coding.code.len()))
                .then_with(|| one.coding.code.cmp(&other.coding.code))
        });
        found.truncate(limit);
        found
    }

    /// The code itself may have been said.
    fn by_code(&self, text: &str, best: &mut HashMap<u32, Candidate>) {
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        if let Some(coding) = self.lookup(text).filter(|_| has_digit) {
            let complete = self.is_complete_code(&coding.code);
            let candidate = Candidate {
                term: coding.display.clone(),
                coding,
                score: 1.0,
                matched: Match::Exact,
                complete,
            };
            best.insert(u32::MAX, candidate);
        }
    }

    /// The question with each abbreviation written out, in each way that the table explains it.
    fn written_out(&self, asked: &[String]) -> Vec<(Vec<String>, usize)> {
        let mut questions = Vec::new();
        for (place, word) in asked.iter().enumerate() {
            let first = self
                .abbreviations
                .partition_point(|(short, _)| short.as_str() < word.as_str());
            let meanings = self.abbreviations[first..]
                .iter()
                .take_while(|(short, _)| short == word)
                .take(MOST_MEANINGS);
            for (_, long) in meanings {
                let mut question = asked[..place].to_vec();
                question.extend_from_slice(long);
                question.extend_from_slice(&asked[place + 1..]);
                question.truncate(MOST_QUESTION_WORDS);
                questions.push((question, place));
            }
        }
        questions.truncate(2 * MOST_MEANINGS);
        questions
    }

    fn by_words(
        &self,
        asked: &[String],
        found_by: Option<Match>,
        limit: usize,
        best: &mut HashMap<u32, Candidate>,
    ) {
        self.by_these_words(asked, None, found_by, limit, best);
        for (length, ending) in self.endings_said(asked) {
            let head = &asked[..asked.len() - length];
            self.by_these_words(head, Some(ending), found_by, limit, best);
        }
    }

    /// Endings of codes whose words are the last ones of the question, and how many words that is.
    fn endings_said(&self, asked: &[String]) -> Vec<(usize, &str)> {
        let mut found: Vec<(usize, &str)> = Vec::new();
        for (_, text) in self.endings.iter().flatten() {
            let ending = words::words(text);
            let said = ending.len() < asked.len() && !ending.is_empty() && asked.ends_with(&ending);
            if said && !found.iter().any(|(_, other)| other == text) {
                found.push((ending.len(), text));
            }
        }
        found
    }

    /// asked: the words to find; ending: what completes the codes that are found, or nothing.
    fn by_these_words(
        &self,
        asked: &[String],
        ending: Option<&str>,
        found_by: Option<Match>,
        limit: usize,
        best: &mut HashMap<u32, Candidate>,
    ) {
        for hit in self.hits(asked, limit) {
            let term = hit.term as usize;
            let entry = self.entry_of[term];
            let text = self.terms.get(term);
            let own = words::words(text);
            let same = says(&own).eq(says(asked));
            let kind = self.kinds[term];
            let matched = match hit.reading {
                _ if same && kind == TermKind::Brand => Match::Brand,
                _ if same => Match::Exact,
                Reading::Same if own.starts_with(asked) => Match::Prefix,
                Reading::Same => Match::Words,
                Reading::Begun => Match::Prefix,
                Reading::Alike => Match::Spelling,
            };
            let matched = found_by.unwrap_or(matched);
            let mut score = self.refined(&hit, &own, asked);
            if self.links_of(entry).len() == 1 {
                // Its ingredient says the same, and means something wherever that brand is not sold.
                score -= BEHIND_INGREDIENT;
            }
            let ending: Option<&Ending> = match ending {
                Some(said) => match self
                    .endings_of(entry as usize)
                    .iter()
                    .find(|(_, text)| text == said)
                {
                    Some(ending) => Some(ending),
                    None => continue,
                },
                None => None,
            };
            let known = best
                .get(&entry)
                .map_or(LEAST_SCORE, |candidate| candidate.score);
            if score > known {
                let candidate = Candidate {
                    coding: self.coding(entry as usize, ending),
                    score,
                    matched,
                    term: text.to_owned(),
                    complete: ending.is_some() || self.is_complete(entry as usize),
                };
                best.insert(entry, candidate);
            }
        }
    }

    /// The score of a hit once letters and order are looked at: 1 only where nothing differs.
    fn refined(&self, hit: &Hit, own: &[String], asked: &[String]) -> f32 {
        let term = hit.term as usize;
        let rank = match self.kinds[term] {
            TermKind::Display | TermKind::Brand => 0.0,
            TermKind::Synonym => 0.001,
            TermKind::Mention => 0.004,
        };
        if own == asked {
            return 1.0 - rank - self.unsaid(term, asked);
        }
        if says(own).eq(says(asked)) {
            return 0.995 - rank - self.unsaid(term, asked);
        }
        let alike = strsim::sorensen_dice(&own.join(" "), &asked.join(" ")) as f32;
        let by_words = 0.9 * hit.score + 0.08 * alike;
        let by_letters = spelt_alike(own, asked).unwrap_or_default();
        (by_words.max(by_letters) - rank).clamp(0.0, 0.99)
    }

    /// What the display of a further name's code says beyond the words that were asked for, if it repeats these: the name is
    /// of the code only where the rest is known too.
    fn unsaid(&self, term: usize, asked: &[String]) -> f32 {
        if self.kinds[term] == TermKind::Display {
            return 0.0;
        }
        let display = self
            .terms
            .get(self.first_term[self.entry_of[term] as usize] as usize);
        let display = words::words(display);
        if !says(asked).all(|word| display.contains(word)) {
            return 0.0;
        }
        let weight = |word: &String| {
            let number = self.words.get(word).unwrap_or_default() as usize;
            self.weights.get(number).copied().unwrap_or_default()
        };
        let all: f32 = display.iter().map(weight).sum();
        let extra = display.iter().filter(|word| !asked.contains(word));
        0.03 * extra.map(weight).sum::<f32>() / all.max(f32::MIN_POSITIVE)
    }

    /// The terms that fit best.
    fn hits(&self, asked: &[String], limit: usize) -> Vec<Hit> {
        let readings = self.readings(asked);
        // Of each term: weight of the question's words that it explains, weight of its own that were named.
        let mut explained = vec![0.0f32; self.kinds.len()];
        let mut named = vec![0.0f32; self.kinds.len()];
        let mut worst = vec![Reading::Same; self.kinds.len()];
        let mut seen = vec![0u8; self.kinds.len()];
        let mut touched = Vec::new();
        let unknown = (1.0 + self.kinds.len() as f32).ln() * 0.8;
        let mut all = 0.0f32;
        for (index, meant) in readings.iter().enumerate() {
            let mark = index as u8 + 1;
            let weight = meant
                .iter()
                .map(|one| self.weights[one.word])
                .reduce(f32::max)
                .unwrap_or(unknown);
            all += weight;
            for one in meant {
                let (from, to) = (self.first_holder[one.word], self.first_holder[one.word + 1]);
                for &term in &self.holders[from as usize..to as usize] {
                    let at = term as usize;
                    if seen[at] == mark {
                        continue;
                    }
                    if seen[at] == 0 {
                        touched.push(term);
                    }
                    seen[at] = mark;
                    explained[at] += weight * one.quality;
                    named[at] += self.weights[one.word] * one.quality;
                    worst[at] = worst[at].max(one.reading);
                }
            }
        }
        if all <= 0.0 {
            return Vec::new();
        }
        let mut hits: Vec<Hit> = touched
            .into_iter()
            .map(|term| {
                let at = term as usize;
                let of_question = (explained[at] / all).min(1.0);
                let of_term = (named[at] / self.term_weights[at].max(f32::MIN_POSITIVE)).min(1.0);
                Hit {
                    term,
                    score: of_question * (0.45 + 0.55 * of_term) * of_question.sqrt(),
                    reading: worst[at],
                }
            })
            .collect();
        let most = MOST_COMPARED.max(4 * limit);
        let better = |one: &Hit, other: &Hit| {
            other
                .score
                .total_cmp(&one.score)
                .then(one.term.cmp(&other.term))
        };
        if hits.len() > most {
            hits.select_nth_unstable_by(most, better);
            hits.truncate(most);
        }
        hits.sort_unstable_by(better);
        hits
    }

    /// Of each word of the question, what it may stand for, the likeliest first.
    fn readings(&self, asked: &[String]) -> Vec<Vec<Meant>> {
        let mut readings = Vec::new();
        let mut done: Vec<&str> = Vec::new();
        let mut spelt = 0;
        for word in asked {
            if done.contains(&word.as_str()) {
                continue;
            }
            done.push(word);
            if let Some(number) = self.words.get(word) {
                readings.push(vec![same(number)]);
            } else if let Some((one, other)) = self.parted(word) {
                readings.push(vec![one]);
                readings.push(vec![other]);
            } else if spelt < MOST_SPELT {
                spelt += 1;
                readings.push(self.near(word));
            } else {
                readings.push(Vec::new());
            }
        }
        readings
    }

    /// Two words of the table that were written as one.
    fn parted(&self, word: &str) -> Option<(Meant, Meant)> {
        (LEAST_BEGINNING..word.len().saturating_sub(LEAST_BEGINNING - 1)).find_map(|place| {
            let (one, other) = word.split_at_checked(place)?;
            Some((same(self.words.get(one)?), same(self.words.get(other)?)))
        })
    }

    /// Words that are spelt alike, or that begin with this one.
    fn near(&self, word: &str) -> Vec<Meant> {
        let mut found: Vec<Meant> = Vec::new();
        let slips = allowed_slips(word.len());
        if slips > 0 {
            let mut stream = self.words.search(Alike::new(word, slips)).into_stream();
            while let Some((other, number)) = stream.next() {
                let other = std::str::from_utf8(other).unwrap_or_default();
                let quality = quality(word, other, strsim::osa_distance(word, other));
                found.push(Meant {
                    word: number as usize,
                    quality,
                    reading: Reading::Alike,
                });
            }
        }
        if word.len() >= LEAST_BEGINNING {
            let mut stream = self
                .words
                .search(Str::new(word).starts_with())
                .into_stream();
            while let Some((other, number)) = stream.next() {
                let share = word.len() as f32 / other.len() as f32;
                found.push(Meant {
                    word: number as usize,
                    quality: 0.55 + 0.4 * share,
                    reading: Reading::Begun,
                });
            }
        }
        found.sort_by(|one, other| {
            other
                .quality
                .total_cmp(&one.quality)
                .then(one.word.cmp(&other.word))
        });
        found.truncate(MOST_READINGS);
        found
    }
}

/// Words but those that say only that nothing more is known.
fn says(words: &[String]) -> impl Iterator<Item = &String> {
    words.iter().filter(|word| !words::is_unspecified(word))
}

/// The score of words that differ from those asked for only by slips, word by word; `None` for any others.
fn spelt_alike(own: &[String], asked: &[String]) -> Option<f32> {
    if says(own).count() != says(asked).count() {
        return None;
    }
    let mut likeness = 0.0;
    for (word, other) in says(asked).zip(says(own)) {
        let distance = strsim::osa_distance(word, other);
        if distance > usize::from(allowed_slips(word.len())) {
            return None;
        }
        likeness += quality(word, other, distance);
    }
    let words = says(asked).count().max(1) as f32;
    Some(0.98 * (0.5 + 0.5 * likeness / words))
}

/// How likely one word was meant by another that differs from it by so many slips.
fn quality(word: &str, other: &str, slips: usize) -> f32 {
    let kept = 1.0 - slips as f32 / word.len().max(other.len()).max(1) as f32;
    0.5 * kept + 0.5 * strsim::jaro_winkler(word, other) as f32
}

fn same(number: u64) -> Meant {
    Meant {
        word: number as usize,
        quality: 1.0,
        reading: Reading::Same,
    }
}
