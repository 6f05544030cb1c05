//! Latencies by quantile, as SVG: each step to the right has a tenth of the answers beyond it that the step
//! before had, and both axes are logarithmic, so that the tail has room.

use super::markup::escaped;
use crate::table::figure;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// The quantiles that the axis names. The last one is drawn where 1 in 100,000 would be.
const NAMED: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
    (1.0, "max"),
];

/// One experiment's latencies.
pub(super) struct Line {
    pub(super) name: String,
    /// The number of its colour.
    pub(super) colour: usize,
    /// Quantile and milliseconds.
    pub(super) points: Vec<(f64, f64)>,
}

/// The lines in one plot.
pub(super) fn quantiles(lines: &[Line]) -> String {
    let values = || {
        lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(_, value)| *value))
    };
    let least = values().fold(f64::INFINITY, f64::min).max(0.01).log10().floor();
    let most = values().fold(0.1, f64::max).log10().ceil().max(least + 1.0);
    let y = |value: f64| TOP + (most - value.max(0.01).log10()) / (most - least) * (HEIGHT - TOP - BOTTOM);
    let mut drawn = Vec::new();
    let mut power = least;
    while power <= most {
        let value = 10f64.powf(power);
        drawn.push(format!(
            "<path class=\"grid\" d=\"M{LEFT} {top:.1}H{end}\"/>\
             <text class=\"soft\" x=\"{x}\" y=\"{baseline:.1}\" text-anchor=\"end\">{value} ms</text>",
            top = y(value),
            end = WIDTH - RIGHT,
            x = LEFT - 6.0,
            baseline = y(value) + 4.0
        ));
        power += 1.0;
    }
    for (quantile, name) in NAMED {
        let x = x(quantile);
        drawn.push(format!(
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
             <text class=\"soft\" x=\"{x:.1}\" y=\"{baseline}\" text-anchor=\"middle\">{name}</text>",
            bottom = HEIGHT - BOTTOM,
            baseline = HEIGHT - 10.0
        ));
    }
    for line in lines {
        drawn.push(line.draw(y));
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">{}</svg>",
        drawn.concat()
    )
}

impl Line {
    fn draw(&self, y: impl Fn(f64) -> f64) -> String {
        let places: Vec<(f64, f64, f64, f64)> = self
            .points
            .iter()
            .map(|&(quantile, value)| (x(quantile), y(value), quantile, value))
            .collect();
        let path: Vec<String> = places.iter().map(|(x, y, ..)| format!("{x:.1},{y:.1}")).collect();
        let dots = places.iter().map(|(x, y, quantile, value)| {
            format!(
                "<circle class=\"f{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"><title>{}, {} %: {} ms</title></circle>",
                self.colour,
                escaped(&self.name),
                (quantile * 1e4).round() / 100.0,
                figure(*value)
            )
        });
        format!(
            "<polyline class=\"s{}\" points=\"{}\"/>{}",
            self.colour,
            path.join(" "),
            dots.collect::<String>()
        )
    }
}

fn x(quantile: f64) -> f64 {
    let place = |quantile: f64| -(1.0 - quantile).max(1e-5).log10();
    let (first, last) = (place(0.5), place(1.0));
    LEFT + 12.0 + (place(quantile) - first) / (last - first) * (WIDTH - LEFT - RIGHT - 30.0)
}
