//! Regular expressions as automata over characters, without states from which no end can be reached.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::kinds::{self, Kinds, PLAIN};
use super::limits::{MAX_PATTERN_PARTS, MAX_PATTERN_STATES, MAX_PATTERN_STEPS, within};
use super::regex::{Range, Regex};
use super::vocabulary::Bulk;
use crate::error::Result;

/// States in which an automaton may be after a row of characters, until nothing is said of longer rows.
const MAX_BULK_STATES: usize = 64;

/// A deterministic automaton; state 0 is the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Automaton {
    states: Vec<State>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    accepting: bool,
    /// Characters, in order, and the state after them.
    next: Vec<(Range, u32)>,
}

impl Automaton {
    /// Any number of these characters.
    pub fn any_of(ranges: &[Range]) -> Self {
        Self {
            states: vec![State {
                accepting: true,
                next: ranges.iter().map(|range| (*range, 0)).collect(),
            }],
        }
    }

    /// All texts that `regex` matches; `None` if there are none.
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] for too many states.
    pub fn new(regex: &Regex) -> Result<Option<Self>> {
        let mut parts = Parts::default();
        let end = parts.add(Part::End)?;
        let start = parts.of(regex, end)?;
        parts.determine(start).map(Self::pruned)
    }

    /// Number of states.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether a text may end in `state`.
    pub fn accepts(&self, state: u32) -> bool {
        self.states
            .get(state as usize)
            .is_some_and(|state| state.accepting)
    }

    /// The state after `code`, a character.
    pub fn next(&self, state: u32, code: u32) -> Option<u32> {
        let next = &self.states.get(state as usize)?.next;
        let place = next.partition_point(|((_, high), _)| *high < code);
        let ((low, _), target) = next.get(place)?;
        (*low <= code).then_some(*target)
    }

    /// Whether any of the characters `low..=high` may come in `state`.
    pub fn has_any(&self, state: u32, low: u32, high: u32) -> bool {
        let Some(state) = self.states.get(state as usize) else {
            return false;
        };
        let place = state.next.partition_point(|((_, end), _)| *end < low);
        state
            .next
            .get(place)
            .is_some_and(|((start, _), _)| *start <= high)
    }

    /// Kinds of characters of which any row may come in `state`, up to a length: the fewer kinds, the longer.
    pub fn bulks(&self, state: u32, longest: u32) -> Vec<Bulk> {
        let mut found: Vec<Bulk> = Vec::new();
        let mut kinds = PLAIN;
        let mut states = BTreeSet::from([state]);
        for most in 0..longest {
            let before = kinds;
            for state in &states {
                kinds &= self.whole_kinds(*state);
            }
            if kinds != before && most > 0 {
                found.push(Bulk {
                    kinds: before,
                    most,
                });
            }
            if kinds == 0 || states.len() > MAX_BULK_STATES {
                return found;
            }
            let next = states
                .iter()
                .filter_map(|state| self.states.get(*state as usize));
            let next = next.flat_map(|state| &state.next);
            let next = next.filter(|(range, _)| kinds::of_range(*range) & kinds != 0);
            let next = next.map(|(_, to)| *to).collect();
            if next == states {
                break;
            }
            states = next;
        }
        found.push(Bulk {
            kinds,
            most: longest,
        });
        found
    }

    /// The kinds of which every character may come in `state`.
    fn whole_kinds(&self, state: u32) -> Kinds {
        let Some(State { next, .. }) = self.states.get(state as usize) else {
            return 0;
        };
        let covers = |&(low, high): &Range| {
            let mut from = low;
            let first = next.partition_point(|((_, end), _)| *end < low);
            for ((start, end), _) in next.get(first..).unwrap_or_default() {
                if *start > from {
                    return false;
                }
                if *end >= high {
                    return true;
                }
                from = *end + 1;
            }
            false
        };
        let whole = kinds::all().filter(|(_, ranges)| ranges.iter().all(covers));
        whole.fold(0, |kinds, (kind, _)| kinds | kind)
    }

    /// The texts of both; `None` if there are none.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn and(&self, other: &Self) -> Result<Option<Self>> {
        explore((0, 0), |(a, b): (u32, u32)| {
            let (Some(a), Some(b)) = (self.states.get(a as usize), other.states.get(b as usize))
            else {
                return (false, Vec::new());
            };
            let mut next = Vec::new();
            for &((low, high), to_a) in &a.next {
                let first = b.next.partition_point(|((_, end), _)| *end < low);
                for &((other_low, other_high), to_b) in b.next.get(first..).unwrap_or_default() {
                    if other_low > high {
                        break;
                    }
                    next.push(((low.max(other_low), high.min(other_high)), (to_a, to_b)));
                }
            }
            (a.accepting && b.accepting, next)
        })
        .map(Self::pruned)
    }

    /// Of these texts those of `min..=max` characters; `None` if there are none.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_length(&self, min: u32, max: Option<u32>) -> Result<Option<Self>> {
        explore((0, 0), |(state, count): (u32, u32)| {
            let Some(state) = self.states.get(state as usize) else {
                return (false, Vec::new());
            };
            let next = match max {
                Some(max) if count >= max => Vec::new(),
                _ => {
                    // Beyond the least number nothing needs counting where there is no largest.
                    let count = match max {
                        None => (count + 1).min(min),
                        Some(_) => count + 1,
                    };
                    let to = |&(range, to): &(Range, u32)| (range, (to, count));
                    state.next.iter().map(to).collect()
                }
            };
            (state.accepting && count >= min, next)
        })
        .map(Self::pruned)
    }

    /// All texts of `ranges`' characters that are none of `words`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn none_of(words: &[&str], ranges: &[Range]) -> Result<Option<Self>> {
        let alternatives = words.iter().map(|word| Regex::literal(word)).collect();
        let mut parts = Parts::default();
        let end = parts.add(Part::End)?;
        let start = parts.of(&Regex::Either(alternatives), end)?;
        let known = parts.determine(start)?;
        // One state more: what has left all of the words.
        let outside = known.states.len() as u32;
        explore(0_u32, |state| {
            let Some(known) = known.states.get(state as usize) else {
                let same = ranges.iter().map(|range| (*range, outside));
                return (true, same.collect());
            };
            let mut next = known.next.clone();
            let words: Vec<Range> = next.iter().map(|(range, _)| *range).collect();
            let others = super::regex::without(ranges, &words);
            next.extend(others.into_iter().map(|range| (range, outside)));
            next.sort_unstable();
            (!known.accepting, next)
        })
        .map(Self::pruned)
    }

    /// Drops the states from which no end can be reached; `None` if the first is one of them.
    fn pruned(self) -> Option<Self> {
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); self.states.len()];
        let mut alive = vec![false; self.states.len()];
        let mut waiting = Vec::new();
        for (index, state) in self.states.iter().enumerate() {
            for (_, to) in &state.next {
                before[*to as usize].push(index as u32);
            }
            if state.accepting {
                alive[index] = true;
                waiting.push(index);
            }
        }
        while let Some(index) = waiting.pop() {
            for &from in &before[index] {
                if !std::mem::replace(&mut alive[from as usize], true) {
                    waiting.push(from as usize);
                }
            }
        }
        let mut places = vec![0_u32; alive.len()];
        let mut count = 0;
        for (place, alive) in places.iter_mut().zip(&alive) {
            *place = count;
            count += u32::from(*alive);
        }
        let kept = self
            .states
            .into_iter()
            .zip(&alive)
            .filter(|(_, alive)| **alive);
        let states = kept.map(|(state, _)| State {
            accepting: state.accepting,
            next: state
                .next
                .into_iter()
                .filter(|(_, to)| alive[*to as usize])
                .map(|(range, to)| (range, places[to as usize]))
                .collect(),
        });
        alive.first().is_some_and(|alive| *alive).then(|| Self {
            states: states.collect(),
        })
    }
}

/// The automaton whose states are what `of` leads to from `start`: whether a text may end there, and what comes next, in order.
fn explore<K: Copy + Eq + std::hash::Hash>(
    start: K,
    of: impl Fn(K) -> (bool, Vec<(Range, K)>),
) -> Result<Automaton> {
    let mut numbers = HashMap::from([(start, 0_u32)]);
    let mut waiting = VecDeque::from([start]);
    let mut states = Vec::new();
    while let Some(key) = waiting.pop_front() {
        let (accepting, next) = of(key);
        let mut joined: Vec<(Range, u32)> = Vec::new();
        for ((low, high), to) in next {
            let count = numbers.len() as u32;
            let number = *numbers.entry(to).or_insert_with(|| {
                waiting.push_back(to);
                count
            });
            match joined.last_mut() {
                Some(((_, end), last)) if *last == number && *end + 1 == low => *end = high,
                _ => joined.push(((low, high), number)),
            }
        }
        states.push(State {
            accepting,
            next: joined,
        });
        within(
            "the number of a pattern's states",
            numbers.len() as u64,
            MAX_PATTERN_STATES as u64,
        )?;
    }
    Ok(Automaton { states })
}

/// A nondeterministic automaton (Thompson's construction), built from the end.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    /// Parts that were looked at so far.
    steps: u64,
}

enum Part {
    End,
    Class(Vec<Range>, usize),
    Split(Vec<usize>),
}

impl Parts {
    fn add(&mut self, part: Part) -> Result<usize> {
        self.parts.push(part);
        within(
            "the size of a pattern",
            self.parts.len() as u64,
            MAX_PATTERN_PARTS as u64,
        )?;
        Ok(self.parts.len() - 1)
    }

    /// Where `regex` begins if it is followed by `after`.
    fn of(&mut self, regex: &Regex, after: usize) -> Result<usize> {
        match regex {
            Regex::Class(ranges) => self.add(Part::Class(ranges.clone(), after)),
            Regex::Concat(parts) => {
                let mut start = after;
                for part in parts.iter().rev() {
                    start = self.of(part, start)?;
                }
                Ok(start)
            }
            Regex::Either(alternatives) => {
                let mut starts = Vec::new();
                for alternative in alternatives {
                    starts.push(self.of(alternative, after)?);
                }
                self.add(Part::Split(starts))
            }
            Regex::Repeat(part, min, max) => {
                let mut start = after;
                match max {
                    None => {
                        let again = self.add(Part::Split(vec![after]))?;
                        let once = self.of(part, again)?;
                        if let Some(Part::Split(ways)) = self.parts.get_mut(again) {
                            ways.push(once);
                        }
                        start = again;
                    }
                    Some(max) => {
                        for _ in *min..*max {
                            let once = self.of(part, start)?;
                            start = self.add(Part::Split(vec![after, once]))?;
                        }
                    }
                }
                for _ in 0..*min {
                    start = self.of(part, start)?;
                    // What matches nothing adds no part, and would be repeated for ever so long.
                    if start == after {
                        break;
                    }
                }
                Ok(start)
            }
            // Taken away before.
            Regex::Start | Regex::End => Ok(after),
        }
    }

    /// The parts that are reached without a character.
    fn closed(&mut self, starts: impl IntoIterator<Item = usize>) -> Result<Vec<usize>> {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<usize> = starts.into_iter().collect();
        while let Some(index) = waiting.pop() {
            if seen.insert(index)
                && let Some(Part::Split(ways)) = self.parts.get(index)
            {
                waiting.extend(ways);
            }
        }
        self.steps += seen.len() as u64;
        within(
            "the work that a pattern takes",
            self.steps,
            MAX_PATTERN_STEPS,
        )?;
        seen.retain(|index| !matches!(self.parts.get(*index), Some(Part::Split(_))));
        Ok(seen.into_iter().collect())
    }

    /// The subset construction.
    fn determine(&mut self, start: usize) -> Result<Automaton> {
        let first = self.closed([start])?;
        let mut numbers = HashMap::from([(first.clone(), 0_u32)]);
        let mut waiting = VecDeque::from([first]);
        let mut states = Vec::new();
        while let Some(set) = waiting.pop_front() {
            // Where the set of parts that a character leads to changes.
            let mut changes: BTreeMap<u32, Vec<(usize, bool)>> = BTreeMap::new();
            let mut accepting = false;
            for index in &set {
                match self.parts.get(*index) {
                    Some(Part::Class(ranges, after)) => {
                        for (low, high) in ranges {
                            changes.entry(*low).or_default().push((*after, true));
                            changes.entry(*high + 1).or_default().push((*after, false));
                        }
                    }
                    Some(Part::End) => accepting = true,
                    _ => {}
                }
            }
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            let mut next: Vec<(Range, u32)> = Vec::new();
            let places: Vec<u32> = changes.keys().copied().collect();
            for (place, low) in places.iter().enumerate() {
                for (after, begins) in changes.get(low).into_iter().flatten() {
                    let count = counts.entry(*after).or_default();
                    *count = match begins {
                        true => *count + 1,
                        false => count.saturating_sub(1),
                    };
                    if *count == 0 {
                        counts.remove(after);
                    }
                }
                let Some(end) = places.get(place + 1) else {
                    break;
                };
                if counts.is_empty() {
                    continue;
                }
                let target = self.closed(counts.keys().copied())?;
                let known = numbers.len() as u32;
                let number = match numbers.get(&target) {
                    Some(number) => *number,
                    None => {
                        waiting.push_back(target.clone());
                        numbers.insert(target, known);
                        known
                    }
                };
                match next.last_mut() {
                    Some(((_, last), to)) if *to == number && *last + 1 == *low => *last = end - 1,
                    _ => next.push(((*low, end - 1), number)),
                }
            }
            states.push(State { accepting, next });
            within(
                "the number of a pattern's states",
                numbers.len() as u64,
                MAX_PATTERN_STATES as u64,
            )?;
        }
        Ok(Automaton { states })
    }
}
