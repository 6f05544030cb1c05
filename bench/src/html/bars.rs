//! Horizontal bars, plain or stacked, as SVG.

use super::markup::escaped;
use crate::table::figure;

const WIDTH: f64 = 960.0;
/// Where the bars begin, right of their names.
const LEFT: f64 = 270.0;
/// What is left for the figures behind the longest bar.
const RIGHT: f64 = 190.0;
const ROW: f64 = 30.0;
const THICKNESS: f64 = 17.0;

/// One bar.
pub(super) struct Bar {
    pub(super) name: String,
    /// What it is made of, from left to right.
    pub(super) parts: Vec<Part>,
    /// The least and the most of several rounds; none if there was one.
    pub(super) range: Option<(f64, f64)>,
    /// What stands behind the figure.
    pub(super) note: String,
}

/// A part of a bar.
pub(super) struct Part {
    pub(super) name: &'static str,
    /// The number of its colour.
    pub(super) colour: usize,
    pub(super) value: f64,
}

/// The bars to one scale.
pub(super) fn bars(rows: &[Bar], unit: &str) -> String {
    let longest = rows.iter().map(Bar::end).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / longest;
    let tops = std::iter::successors(Some(4.0), |top| Some(top + ROW));
    let drawn: String = rows
        .iter()
        .zip(tops)
        .map(|(row, top)| row.draw(top, scale, unit))
        .collect();
    let height = rows.iter().fold(8.0, |height, _| height + ROW);
    format!("<div class=\"card\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">{drawn}</svg></div>")
}

impl Bar {
    fn total(&self) -> f64 {
        self.parts.iter().map(|part| part.value).sum()
    }

    fn end(&self) -> f64 {
        self.range.map_or(0.0, |(_, most)| most).max(self.total())
    }

    fn draw(&self, top: f64, scale: f64, unit: &str) -> String {
        let (middle, baseline) = (top + THICKNESS / 2.0, top + THICKNESS - 4.0);
        let mut drawn = vec![format!(
            "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            escaped(&self.name)
        )];
        let mut left = LEFT;
        for part in &self.parts {
            let width = part.value.max(0.0) * scale;
            drawn.push(format!(
                "<rect class=\"f{}\" x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{THICKNESS}\" rx=\"2\">\
                 <title>{}: {} {unit}</title></rect>",
                part.colour,
                part.name,
                figure(part.value)
            ));
            left += width;
        }
        if let Some((least, most)) = self.range {
            let (from, to) = (LEFT + least * scale, LEFT + most * scale);
            drawn.push(format!(
                "<path class=\"whisker\" d=\"M{from:.1} {middle}H{to:.1}M{from:.1} {}v8M{to:.1} {}v8\"/>",
                middle - 4.0,
                middle - 4.0
            ));
        }
        drawn.push(format!(
            "<text x=\"{:.1}\" y=\"{baseline}\">{} <tspan class=\"soft\">{}</tspan></text>",
            LEFT + self.end() * scale + 8.0,
            figure(self.total()),
            escaped(&self.note)
        ));
        drawn.concat()
    }
}
