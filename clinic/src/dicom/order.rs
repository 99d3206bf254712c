//! The order of slices in space.

use std::cmp::Ordering;

use super::Geometry;
use crate::error::{Error, Result};

/// Slices whose directions differ by no more than this in any component are parallel.
const PARALLEL: f64 = 1e-3;

/// Slices closer than this along their normal, in millimetres, lie at the same place.
const SAME_PLACE_MM: f64 = 1e-3;

impl Geometry {
    /// Distance of the slice from the origin along the normal of its plane, in millimetres.
    pub fn along_normal(&self) -> Option<f64> {
        let [[a, b, c], [d, e, f]] = self.orientation?;
        let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
        let length = dot(normal, normal).sqrt();
        let distance = dot(normal, self.position?) / length;
        distance.is_finite().then_some(distance)
    }
}

/// The order in which slices follow one another: indices into `slices`.
///
/// By position along the normal of the slices, in the direction in which the image numbers grow; without positions by
/// image number alone, as MedGemma's notebook does it. Neither: an error, for a wrong order is worse than none.
///
/// # Errors
/// [`Error::Series`] for no slices, slices of several series, slices that are not parallel, two at the same place or with
/// the same number, and slices that nothing puts in order.
pub fn order(slices: &[&Geometry]) -> Result<Vec<usize>> {
    let first = slices
        .first()
        .ok_or_else(|| refuse("there are no slices", "give at least one"))?;
    if slices.iter().any(|slice| slice.series != first.series) {
        return Err(refuse(
            "the slices belong to several series",
            "give the files of one",
        ));
    }
    if slices.len() == 1 {
        return Ok(vec![0]);
    }
    let places: Option<Vec<f64>> = slices.iter().map(|slice| slice.along_normal()).collect();
    let Some(places) = places else {
        return by_number(slices);
    };
    if !slices.iter().all(|slice| parallel(slice, first)) {
        return Err(refuse(
            "the slices are not parallel",
            "leave out the overview, and what was reformatted",
        ));
    }
    let mut order = sorted(&places, f64::total_cmp);
    if places_of(&order, &places).any(|(a, b)| b - a < SAME_PLACE_MM) {
        return Err(refuse(
            "two slices lie at the same place",
            "give one phase and one reconstruction",
        ));
    }
    let number = |index: Option<&usize>| slices.get(*index?)?.instance;
    if let (Some(first), Some(last)) = (number(order.first()), number(order.last()))
        && first > last
    {
        order.reverse();
    }
    Ok(order)
}

fn by_number(slices: &[&Geometry]) -> Result<Vec<usize>> {
    let numbers: Option<Vec<i64>> = slices.iter().map(|slice| slice.instance).collect();
    let numbers = numbers.ok_or_else(|| {
        refuse(
            "the slices have neither places nor numbers",
            "export them again with their geometry",
        )
    })?;
    let order = sorted(&numbers, i64::cmp);
    if places_of(&order, &numbers).any(|(a, b)| a == b) {
        return Err(refuse(
            "two slices have the same number and no place",
            "give one phase and one reconstruction",
        ));
    }
    Ok(order)
}

fn sorted<T>(keys: &[T], compare: fn(&T, &T) -> Ordering) -> Vec<usize> {
    let mut order: Vec<(usize, &T)> = keys.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| compare(a, b));
    order.into_iter().map(|(index, _)| index).collect()
}

/// Keys of neighbours.
fn places_of<T: Copy>(order: &[usize], keys: &[T]) -> impl Iterator<Item = (T, T)> {
    let keys: Vec<T> = order
        .iter()
        .filter_map(|&index| keys.get(index).copied())
        .collect();
    let next: Vec<T> = keys.iter().skip(1).copied().collect();
    keys.into_iter().zip(next)
}

fn parallel(one: &Geometry, other: &Geometry) -> bool {
    let pairs = one.orientation.iter().flatten().flatten();
    pairs
        .zip(other.orientation.iter().flatten().flatten())
        .all(|(a, b)| (a - b).abs() <= PARALLEL)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn refuse(problem: &str, remedy: &'static str) -> Error {
    Error::Series {
        problem: problem.to_owned(),
        remedy,
    }
}
