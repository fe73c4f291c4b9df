//! A channel: a name that gathers events.

use jiff::Timestamp;

use super::text;

/// Longest name, in characters.
pub const NAME_MAX: usize = 255;

/// Who may find a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Those who know its address.
    Private,
}

impl Visibility {
    /// The stored and v1 word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }

    /// The visibility for a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        [Self::Public, Self::Private].into_iter().find(|visibility| visibility.as_str() == word)
    }
}

/// One channel as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// UUID text.
    pub id: String,
    /// As first spelled.
    pub name: String,
    /// Unique, made from the name; see [`super::slug`].
    pub slug: String,
    /// Who may find it.
    pub visibility: Visibility,
    /// Attention at [`Channel::scored_at`], 0 to 100; fades from there.
    pub score: f64,
    /// When [`Channel::score`] was set.
    pub scored_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a person last used it.
    pub last_used_at: Timestamp,
}

impl Channel {
    /// Name and slug as they are searched.
    #[must_use]
    pub fn search_text(&self) -> String {
        format!("{}\n{}", text::fold(&self.name), self.slug)
    }

    /// True when everybody may find it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.visibility == Visibility::Public
    }

    /// Its page.
    #[must_use]
    pub fn path(&self) -> String {
        match self.visibility {
            Visibility::Public => format!("/channel/{}", self.slug),
            Visibility::Private => format!("/channel/p/{}", self.slug),
        }
    }
}
