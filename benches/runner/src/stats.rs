//! Small statistics.

/// The value below which `share` of all lie; 0 for none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        len if share == 0.5 && len % 2 == 0 => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
        len => sorted[((len - 1) as f64 * share).round() as usize],
    }
}

/// The same of values of which each was met so often.
pub fn quantile_of_counted(values: impl Iterator<Item = (u64, u64)>, share: f64) -> f64 {
    let mut sorted: Vec<(u64, u64)> = values.collect();
    sorted.sort_unstable();
    let all: u64 = sorted.iter().map(|(_, often)| often).sum();
    let mut left = (all as f64 * share).ceil() as u64;
    for (value, often) in sorted {
        match left.checked_sub(often) {
            None | Some(0) => return value as f64,
            Some(rest) => left = rest,
        }
    }
    0.0
}

/// Least, median and greatest.
#[derive(Clone, Copy)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

pub fn spread(values: &[f64]) -> Spread {
    Spread { min: quantile(values, 0.0), median: quantile(values, 0.5), max: quantile(values, 1.0) }
}

/// Welch's t of two samples.
pub fn welch(a: &[f64], b: &[f64]) -> f64 {
    let ((mean_a, var_a), (mean_b, var_b)) = (mean_and_variance(a), mean_and_variance(b));
    (mean_a - mean_b) / (var_a / a.len() as f64 + var_b / b.len() as f64).sqrt()
}

pub fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (values.len() as f64 - 1.0))
}
