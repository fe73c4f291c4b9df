//! The page that is shown when a request cannot be answered.

use askama::Template;
use salvo::http::StatusCode;

/// The page that says what went wrong and where to go.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    /// `404`.
    pub status: u16,
    /// In a few kind words.
    pub title: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub advice: String,
    /// The fields of the form that was not taken, to be sent again; none where that is no help.
    pub again: Vec<(String, String)>,
}

/// The error page as HTML.
#[must_use]
pub fn page(status: StatusCode, message: &str, again: Vec<(String, String)>) -> String {
    let (title, advice) = words(status, !again.is_empty());
    let page = ErrorPage {
        status: status.as_u16(),
        title: title.to_owned(),
        message: message.to_owned(),
        advice: advice.to_owned(),
        again,
    };
    page.render().unwrap_or_else(|_| title.to_owned())
}

fn words(status: StatusCode, is_kept: bool) -> (&'static str, &'static str) {
    const KEPT: &str =
        "Everything you typed is kept on this page: wait a moment, then send it again.";
    match status {
        StatusCode::NOT_FOUND => (
            "There is nothing here",
            "The link may be incomplete, or the event was deleted. Events and their answers are \
             deleted some time after they are over. Check that you copied the whole link, or ask \
             whoever sent it.",
        ),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => (
            "This link does not open that",
            "Links are keys here. Check that you copied the whole link, or ask the host for a new \
             one.",
        ),
        StatusCode::CONFLICT => (
            "Somebody else was faster",
            "Go back, reload the page to see what changed, and try again.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("That is too much at once", "Go back, shorten what you wrote, and send it again.")
        }
        StatusCode::TOO_MANY_REQUESTS if is_kept => ("One moment, please", KEPT),
        StatusCode::SERVICE_UNAVAILABLE if is_kept => ("That is not sent yet", KEPT),
        StatusCode::TOO_MANY_REQUESTS => {
            ("One moment, please", "Too much came from here at once. Wait a minute and try again.")
        }
        status if status.is_server_error() => (
            "That did not work",
            "This is our fault, not yours. Wait a moment and try again: going back keeps what you \
             typed.",
        ),
        _ => ("We could not use that", "Go back, look over what you sent, and try again."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::check_html;
    use super::*;

    #[test]
    fn renders_every_kind() {
        for status in [400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            let html = page(status, "Event not found", Vec::new());
            check_html(&format!("error-{}", status.as_u16()), &html);
            assert!(html.contains("Event not found"));
        }
    }

    #[test]
    fn what_was_typed_can_be_sent_again() {
        let fields = vec![("note".to_owned(), "\"><script>\nI bring <cake>".to_owned())];
        let html = page(StatusCode::TOO_MANY_REQUESTS, "Try again in 40 seconds.", fields);
        check_html("error-again", &html);
        let page = scraper::Html::parse_document(&html);
        let hidden = scraper::Selector::parse("form[method=post]:not([action]) input[type=hidden]");
        let input = page.select(&hidden.expect("a selector")).next().expect("a field");
        assert_eq!(input.attr("value"), Some("\"><script>\nI bring <cake>"));
    }
}
