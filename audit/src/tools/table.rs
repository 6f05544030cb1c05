//! Tables for people: as wide as the terminal, and 80 columns where there is none.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with these columns.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns.iter().copied());
    if !table.is_tty() {
        table.set_width(80);
    }
    table
}

/// A length of time in one unit: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{} s", millis / 1_000),
        60_000..3_600_000 => format!("{} min", millis / 60_000),
        3_600_000..86_400_000 => format!("{} h", millis / 3_600_000),
        _ => format!("{} d", millis / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_one_unit() {
        assert_eq!(duration(999), "999 ms");
        assert_eq!(duration(61_000), "1 min");
        assert_eq!(duration(3 * 86_400_000), "3 d");
    }
}
