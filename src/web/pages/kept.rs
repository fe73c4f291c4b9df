//! Pages that are the same for everybody: help, and the lists that a script fills from what the
//! reader's own device keeps.

use salvo::{Response, handler};

use super::render;
use crate::web::error::Problem;
use crate::web::views::kept::{HelpPage, KeptPage};

/// Shows what people ask.
#[handler]
pub async fn show_help(response: &mut Response) -> Result<(), Problem> {
    render(response, &HelpPage)
}

/// Shows the events whose hosts' links the device keeps.
#[handler]
pub async fn show_own_events(response: &mut Response) -> Result<(), Problem> {
    render(response, &KeptPage::events())
}

/// Shows the answers whose links the device keeps.
#[handler]
pub async fn show_own_answers(response: &mut Response) -> Result<(), Problem> {
    render(response, &KeptPage::answers())
}
