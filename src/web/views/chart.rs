//! Drawings of numbers: only coordinates, as text for attributes. What they show is always written beside them too.

use std::fmt::Write as _;

/// The width of a sparkline's box.
const LINE_WIDTH: f64 = 96.0;
/// The height of a sparkline's box.
const LINE_HEIGHT: f64 = 24.0;
/// What is kept free above and below a sparkline, for the thickness of its stroke.
const LINE_MARGIN: f64 = 2.0;
/// The width of a chart's box.
const WIDTH: f64 = 600.0;
/// The height of a chart's box.
const HEIGHT: f64 = 120.0;
/// Nothing that happened is drawn lower than this, or it could not be seen.
const HEIGHT_MIN: f64 = 2.0;

/// A line that fits into a row, in a box of 96 by 24.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sparkline {
    /// The path of the line.
    pub line: String,
    /// The path of what lies below it.
    pub area: String,
}

/// The course of `values`, from its lowest possible value, nothing, to the greatest of them.
#[must_use]
pub fn sparkline(values: &[i64]) -> Sparkline {
    let top = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = LINE_WIDTH / (values.len().max(2) - 1) as f64;
    let mut line = String::with_capacity(values.len() * 11);
    for (place, value) in values.iter().enumerate() {
        let part = (*value).max(0) as f64 / top;
        let y = (LINE_HEIGHT - 2.0 * LINE_MARGIN).mul_add(-part, LINE_HEIGHT - LINE_MARGIN);
        line += if place == 0 { "M" } else { "L" };
        put_short(&mut line, place as f64 * step);
        line += " ";
        put_short(&mut line, y);
    }
    if line.is_empty() {
        return Sparkline::default();
    }
    let last = short((values.len() - 1) as f64 * step);
    Sparkline { area: format!("{line}L{last} {LINE_HEIGHT}L0 {LINE_HEIGHT}Z"), line }
}

/// Bars in a box of 600 by 120: what was served, and what was refused on top of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bars {
    /// From left to right.
    pub bars: Vec<Bar>,
    /// The number at the upper edge.
    pub top: i64,
}

/// One bar; a part of no height is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bar {
    /// Its left edge.
    pub x: String,
    /// Its width.
    pub width: String,
    /// What was served.
    pub served: Option<Part>,
    /// What was refused.
    pub refused: Option<Part>,
}

/// A part of a bar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Its upper edge.
    pub y: String,
    /// Its height.
    pub height: String,
}

/// Bars of what was served and what was refused.
#[must_use]
pub fn bars(values: &[(i64, i64)]) -> Bars {
    let highest = values.iter().map(|(served, refused)| served.saturating_add(*refused)).max().unwrap_or(0);
    let top = round_up(highest);
    let step = WIDTH / values.len().max(1) as f64;
    let gap = (step * 0.2).min(6.0);
    let high = |count: i64| {
        let high = count.max(0) as f64 / top as f64 * HEIGHT;
        if count > 0 { high.max(HEIGHT_MIN) } else { 0.0 }
    };
    let bar = |(place, (served, refused)): (usize, &(i64, i64))| {
        let (served, refused) = (high(*served), high(*refused));
        // Where both together would stand out above, what was served gives way.
        let served = served.min(HEIGHT - refused);
        let part =
            |below: f64, high: f64| (high > 0.0).then(|| Part { y: short(HEIGHT - below - high), height: short(high) });
        Bar {
            x: short(step.mul_add(place as f64, gap / 2.0)),
            width: short(step - gap),
            served: part(0.0, served),
            refused: part(served, refused),
        }
    };
    Bars { bars: values.iter().enumerate().map(bar).collect(), top }
}

/// The next 1, 2 or 5 with zeros behind it.
fn round_up(value: i64) -> i64 {
    let mut ten = 1_i64;
    loop {
        for most in [1, 2, 5] {
            let most = ten.saturating_mul(most);
            if value <= most {
                return most;
            }
        }
        ten = ten.saturating_mul(10);
    }
}

/// With one digit behind the point at most.
fn short(number: f64) -> String {
    let mut text = String::new();
    put_short(&mut text, number);
    text
}

/// The same, at the end of a text.
fn put_short(text: &mut String, number: f64) {
    let tenths = (number * 10.0).round() as i64;
    // Nothing can go wrong in writing to memory.
    let _ = match (tenths / 10, tenths % 10) {
        (whole, 0) => write!(text, "{whole}"),
        (whole, tenth) => write!(text, "{whole}.{}", tenth.abs()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_goes_from_the_left_to_the_right_and_as_high_as_its_greatest_value() {
        let drawn = sparkline(&[0, 5, 10]);
        assert_eq!(drawn.line, "M0 22L48 12L96 2");
        assert_eq!(drawn.area, "M0 22L48 12L96 2L96 24L0 24Z");
        assert_eq!(sparkline(&[0, 0]).line, "M0 22L96 22");
        assert_eq!(sparkline(&[7]).line, "M0 2");
        assert_eq!(sparkline(&[]), Sparkline::default());
        assert_eq!(sparkline(&[i64::MIN, i64::MAX]).line, "M0 22L96 2");
    }

    #[test]
    fn bars_stack_what_was_refused_on_what_was_served() {
        let drawn = bars(&[(60, 30), (0, 0), (100, 0)]);
        assert_eq!(drawn.top, 100);
        let [first, second, third] = drawn.bars.as_slice() else { panic!("three bars") };
        assert_eq!((first.x.as_str(), first.width.as_str()), ("3", "194"));
        assert_eq!(first.served, Some(Part { y: "48".into(), height: "72".into() }));
        assert_eq!(first.refused, Some(Part { y: "12".into(), height: "36".into() }));
        assert_eq!((&second.served, &second.refused), (&None, &None));
        assert_eq!(third.served, Some(Part { y: "0".into(), height: "120".into() }));
    }

    #[test]
    fn a_single_refusal_among_many_requests_is_still_seen_and_stays_inside() {
        let drawn = bars(&[(1_000_000, 1)]);
        let refused = drawn.bars[0].refused.clone().unwrap();
        assert_eq!(refused.height, "2");
        let drawn = bars(&[(999_999, 1)]);
        let bar = &drawn.bars[0];
        assert_eq!(bar.refused.clone().unwrap().y, "0");
        assert_eq!(bar.served.clone().unwrap(), Part { y: "2".into(), height: "118".into() });
    }

    #[test]
    fn the_upper_edge_is_a_number_that_people_read_at_once() {
        for (value, edge) in [(0, 1), (1, 1), (3, 5), (11, 20), (51, 100), (1204, 2000)] {
            assert_eq!(round_up(value), edge);
        }
        assert_eq!(round_up(i64::MAX), i64::MAX);
        assert_eq!(bars(&[]), Bars { bars: Vec::new(), top: 1 });
        let _ = bars(&[(i64::MAX, i64::MAX), (-1, -1)]);
    }
}
