//! Numbers as a line of small bars, and as one bar that is more or less full.

/// From little to much.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Where nothing happened; what happened is never drawn like this.
const NOTHING: char = '·';

/// The course of some numbers in at most `width` characters, the greatest as the highest bar. Where there are more numbers
/// than characters, neighbours are added up.
pub(crate) fn spark(values: &[i64], width: usize) -> String {
    let each = values.len().div_ceil(width.max(1)).max(1);
    let sums: Vec<i64> = values
        .chunks(each)
        .map(|part| part.iter().fold(0, |sum: i64, value| sum.saturating_add((*value).max(0))))
        .collect();
    let top = sums.iter().copied().max().unwrap_or(0).max(1);
    let level = |value: i64| {
        // Rounded up, so that one request among thousands is seen.
        let level = (value as u128 * LEVELS.len() as u128).div_ceil(top as u128) as usize;
        if value == 0 { NOTHING } else { LEVELS[level.clamp(1, LEVELS.len()) - 1] }
    };
    sums.into_iter().map(level).collect()
}

/// How much of a limit is left, as a bar of `width` characters. Only a limit that nothing was taken from is full, and only
/// one that is used up is empty.
pub(crate) fn bar(left: u64, limit: u64, width: usize) -> String {
    let left = left.min(limit);
    let exact = if limit == 0 { 0 } else { (u128::from(left) * width as u128 / u128::from(limit)) as usize };
    let full = if left == 0 || width < 2 {
        exact
    } else if left < limit {
        exact.clamp(1, width - 1)
    } else {
        width
    };
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spark_line_shows_the_course_of_numbers() {
        assert_eq!(spark(&[0, 1, 2, 4, 8], 10), "·▁▂▄█");
        assert_eq!(spark(&[0, 0], 10), "··");
        assert_eq!(spark(&[], 10), "");
        assert_eq!(spark(&[1, 100_000], 10), "▁█");
        assert_eq!(spark(&[5, -3], 10), "█·");
        assert_eq!(spark(&[i64::MAX, i64::MAX, 1], 2), "█▁");
    }

    #[test]
    fn many_numbers_are_added_up_to_fit() {
        assert_eq!(spark(&[1; 168], 60).chars().count(), 56);
        assert_eq!(spark(&[1, 1, 0, 0, 4, 4], 3), "▂·█");
        assert_eq!(spark(&[1, 2, 3], 0), "█");
    }

    #[test]
    fn a_bar_is_full_and_empty_only_when_it_is() {
        assert_eq!(bar(600, 600, 10), "██████████");
        assert_eq!(bar(599, 600, 10), "█████████░");
        assert_eq!(bar(412, 600, 10), "██████░░░░");
        assert_eq!(bar(1, 600, 10), "█░░░░░░░░░");
        assert_eq!(bar(0, 600, 10), "░░░░░░░░░░");
        assert_eq!(bar(0, 0, 4), "░░░░");
        assert_eq!(bar(900, 600, 4), "████");
        assert_eq!(bar(u64::MAX, u64::MAX, 3), "███");
    }
}
