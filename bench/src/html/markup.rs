//! The smallest parts of a page.

/// Text with nothing in it that HTML would take for markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A legend: names, and the number of each one's colour.
pub(super) fn legend(names: impl Iterator<Item = (usize, String)>) -> String {
    let entries = names.map(|(colour, name)| format!("<span><i class=\"f{colour}\"></i>{}</span>", escaped(&name)));
    format!("<div class=\"legend\">{}</div>", entries.collect::<String>())
}

/// A section with its heading, what to know about it, and its content.
pub(super) fn section(heading: &str, note: &str, content: &str) -> String {
    format!("<h2>{heading}</h2>\n<p class=\"note\">{note}</p>\n{content}")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
