//! Links as QR codes.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around the code (ISO/IEC 18004).
const QUIET: usize = 4;

/// `text` as a QR code: an SVG picture to stand inside a page. It is black on white in every
/// theme, for many cameras read nothing else. Blank where the text is too long for a code.
#[must_use]
pub fn svg(text: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else {
        return String::new();
    };
    let width = code.width();
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        // One stroke for each run of dark modules.
        for run in row.chunk_by(|one, next| one == next) {
            if run.first() == Some(&Color::Dark) {
                // Writing to a text cannot fail.
                let _ = write!(path, "M{} {}h{}", x + QUIET, y + QUIET, run.len());
            }
            x += run.len();
        }
    }
    let side = width + 2 * QUIET;
    format!(
        "<svg viewBox=\"0 0 {side} {side}\" width=\"240\" height=\"240\" role=\"img\" \
         aria-label=\"QR code of the link\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path stroke=\"#000\" d=\"{path}\" transform=\"translate(0 .5)\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dark modules of a picture, read back from its path.
    fn modules(svg: &str) -> Vec<(usize, usize)> {
        let path = svg.split("stroke=\"#000\" d=\"").nth(1).expect("a path");
        let path = path.split('"').next().expect("its end");
        let mut dark = Vec::new();
        for run in path.split('M').skip(1) {
            // Strictly: a stroke of another form would draw something else.
            let (place, length) = run.split_once('h').expect("a length");
            let (x, y) = place.split_once(' ').expect("a place");
            let number = |text: &str| text.parse::<usize>().expect("a number");
            let (x, y, length) = (number(x), number(y), number(length));
            dark.extend((x..x + length).map(|x| (x - QUIET, y - QUIET)));
        }
        dark
    }

    #[test]
    fn draws_every_module_and_no_other() {
        let url = format!("https://rsvp.example.org/e/1b4e28ba/rsvp/{}", "Zk3vJx0yQ".repeat(5));
        let code = QrCode::with_error_correction_level(&url, EcLevel::M).expect("a code");
        let width = code.width();
        let colors = code.to_colors().into_iter().enumerate();
        let dark: Vec<_> = colors
            .filter(|(_, color)| *color == Color::Dark)
            .map(|(at, _)| (at % width, at / width))
            .collect();
        assert_eq!(modules(&svg(&url)), dark);
    }

    #[test]
    fn is_small_and_holds_nothing_of_the_text() {
        let picture = svg("https://example.org/\"><script>");
        assert!(!picture.contains("script") && picture.len() < 16_000, "{}", picture.len());
        assert_eq!(svg(&"x".repeat(5_000)), "");
    }
}
