//! The plots, as SVG. Their colours are readable on light and on dark paper.

use anyhow::Context;
use plotters::{
    coord::ranged1d::{IntoSegmentedCoord, SegmentValue},
    prelude::{
        ChartBuilder, Color, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, PathElement, RGBColor, Rectangle,
        SVGBackend, ShapeStyle, Text, TextStyle,
    },
};

use crate::table::figure;

/// How wide a plot is, in its own units.
const WIDTH: u32 = 960;
const BAR: u32 = 30;
const TEXT: RGBColor = RGBColor(122, 130, 144);
const COLOURS: [RGBColor; 7] = [
    RGBColor(74, 134, 200),
    RGBColor(217, 122, 28),
    RGBColor(62, 160, 104),
    RGBColor(154, 106, 188),
    RGBColor(208, 80, 110),
    RGBColor(74, 163, 181),
    RGBColor(156, 125, 86),
];

/// One bar.
pub(super) struct Bar {
    pub(super) name: String,
    /// What it is made of, from left to right: the number of a colour, and how much.
    pub(super) parts: Vec<(usize, f64)>,
    /// The lowest and the highest of several rounds; none if there was one.
    pub(super) range: Option<(f64, f64)>,
    /// What stands behind the figure.
    pub(super) note: String,
}

/// One experiment's latencies.
pub(super) struct Line {
    pub(super) name: String,
    /// Quantile and milliseconds.
    pub(super) points: Vec<(f64, f64)>,
}

/// The colour of this number, as CSS says it.
pub(super) fn css_colour(number: usize) -> String {
    let RGBColor(red, green, blue) = colour(number);
    format!("rgb({red}, {green}, {blue})")
}

fn colour(number: usize) -> RGBColor {
    COLOURS[number % COLOURS.len()]
}

fn label(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

impl Bar {
    fn total(&self) -> f64 {
        self.parts.iter().map(|(_, value)| value).sum()
    }

    fn end(&self) -> f64 {
        self.range.map_or(0.0, |(_, highest)| highest).max(self.total())
    }
}

/// Horizontal bars to one scale, the first on top.
///
/// # Errors
/// They cannot be drawn.
pub(super) fn bars(rows: &[Bar]) -> anyhow::Result<String> {
    let count = u32::try_from(rows.len()).context("too many bars")?;
    let longest = rows.iter().map(Bar::end).fold(f64::MIN_POSITIVE, f64::max);
    // From the bottom up, as the axis counts.
    let upwards: Vec<&Bar> = rows.iter().rev().collect();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, count * BAR + 10)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(4)
            .y_label_area_size(270)
            // Room for the figures behind the longest bar.
            .build_cartesian_2d(0.0..longest * 1.4, (0..count).into_segmented())?;
        let name = |segment: &SegmentValue<u32>| match segment {
            SegmentValue::CenterOf(row) => upwards.get(*row as usize).map_or(String::new(), |bar| bar.name.clone()),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_x_axis()
            .axis_style(TEXT.mix(0.4))
            .y_labels(rows.len() + 1)
            .y_label_formatter(&name)
            .y_label_style(label(13))
            .draw()?;
        for (row, bar) in (0..count).zip(&upwards) {
            let mut left = 0.0;
            for (number, value) in &bar.parts {
                let right = left + value.max(0.0);
                let mut part = Rectangle::new(
                    [(left, SegmentValue::Exact(row)), (right, SegmentValue::Exact(row + 1))],
                    colour(*number).filled(),
                );
                part.set_margin(6, 6, 0, 0);
                chart.draw_series([part])?;
                left = right;
            }
            let middle = || SegmentValue::CenterOf(row);
            if let Some((lowest, highest)) = bar.range {
                let style = ShapeStyle::from(&TEXT).stroke_width(2);
                chart.draw_series([PathElement::new([(lowest, middle()), (highest, middle())], style)])?;
            }
            let text = format!("{} {}", figure(bar.total()), bar.note);
            chart.draw_series([Text::new(text, (bar.end() + longest * 0.01, middle()), label(13))])?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// Latencies by quantile. Each step to the right has a tenth of the answers beyond it that the step before had, and both
/// axes are logarithmic, so that the tail has room.
///
/// # Errors
/// They cannot be drawn.
pub(super) fn quantiles(lines: &[Line]) -> anyhow::Result<String> {
    let values = || {
        lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(_, value)| *value))
    };
    let lowest = values().fold(f64::INFINITY, f64::min).max(0.01);
    let highest = values().fold(0.1, f64::max).max(lowest * 10.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH / 2, 290)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..MAX_PLACE, (lowest * 0.8..highest * 1.2).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TEXT.mix(0.0))
            .bold_line_style(TEXT.mix(0.25))
            .axis_style(TEXT.mix(0.4))
            .x_labels(6)
            .x_label_formatter(&|place| quantile_name(*place))
            .y_label_formatter(&|value| format!("{} ms", figure(*value)))
            .label_style(label(12))
            .draw()?;
        for (number, line) in lines.iter().enumerate() {
            let points = line.points.iter().map(|(quantile, value)| (place(*quantile), *value));
            let style = ShapeStyle::from(&colour(number)).stroke_width(2);
            chart.draw_series(LineSeries::new(points, style))?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// Where the slowest answer is drawn: where 1 in 100,000 would be.
const MAX_PLACE: f64 = 5.0;

fn place(quantile: f64) -> f64 {
    (-(1.0 - quantile).max(1e-5).log10()).min(MAX_PLACE)
}

fn quantile_name(place: f64) -> String {
    const NAMES: [(f64, &str); 5] = [
        (1.0, "p90"),
        (2.0, "p99"),
        (3.0, "p99.9"),
        (4.0, "p99.99"),
        (5.0, "max"),
    ];
    let name = NAMES.into_iter().find(|(at, _)| (at - place).abs() < 1e-9);
    name.map_or("", |(_, name)| name).to_owned()
}
