//! temp
pub mod error {
    //! temp
    /// temp
    pub fn page(s: salvo::http::StatusCode, m: &str) -> String { format!("{s} {m}") }
}
