//! Reading what a client sent: lenient about types as the original was, exact about what is wrong.

use jiff::Timestamp;
use salvo::Request;
use serde_json::{Map, Value};

use crate::domain::text;
use crate::domain::time::{Whereabouts, is_in_range, zone};
use crate::web::error::{Invalid, Problem};

/// What came for a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent<T> {
    /// The field did not come.
    Absent,
    /// The field came as `null`.
    Null,
    /// The field came with a value.
    Value(T),
}

impl<T> Sent<T> {
    /// The value, where one came.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// What shall be there, given what is: an absent field changes nothing, `null` clears.
    pub fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Absent => before,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Sent<U> {
        match self {
            Self::Absent => Sent::Absent,
            Self::Null => Sent::Null,
            Self::Value(value) => Sent::Value(change(value)),
        }
    }
}

/// The fields of a JSON body or a query, and all that is wrong with them.
#[derive(Debug)]
pub struct Fields {
    place: &'static str,
    object: Map<String, Value>,
    invalid: Vec<Invalid>,
}

impl Fields {
    /// Reads the body as a JSON object, whatever its content type says. An empty body is an
    /// empty object when `optional`.
    pub async fn from_body(request: &mut Request, optional: bool) -> Result<Self, Problem> {
        let bytes = request.payload().await.map_err(Problem::from_body_error)?;
        if bytes.is_empty() && optional {
            return Ok(Self::new("body", Map::new()));
        }
        if bytes.is_empty() {
            return Err(Problem::invalid(vec![Invalid::missing(&["body"])]));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Ok(Self::new("body", object)),
            Ok(Value::Null) if optional => Ok(Self::new("body", Map::new())),
            Ok(_) => Err(Problem::invalid(vec![Invalid::new(
                &["body"],
                "Input should be a valid dictionary or object to extract fields from",
                "model_attributes_type",
            )])),
            Err(_) => Err(Problem::invalid(vec![Invalid::new(
                &["body"],
                "JSON decode error",
                "json_invalid",
            )])),
        }
    }

    /// Reads the query; of a name that comes twice, the last.
    #[must_use]
    pub fn from_query(request: &Request) -> Self {
        let object = request
            .queries()
            .iter()
            .map(|(name, value)| (name.clone(), Value::String(value.clone())))
            .collect();
        Self::new("query", object)
    }

    fn new(place: &'static str, object: Map<String, Value>) -> Self {
        Self { place, object, invalid: Vec::new() }
    }

    /// Takes what came under `name`, or else under `alias`: the original's guide used other words.
    pub fn alias(&mut self, name: &str, alias: &str) {
        if !self.object.contains_key(name)
            && let Some(value) = self.object.remove(alias)
        {
            self.object.insert(name.to_owned(), value);
        }
    }

    /// A text of one line, cleaned of what may not be stored.
    pub fn line(&mut self, name: &str) -> Sent<String> {
        self.text(name).map(|text| text::clean_line(&text))
    }

    /// A text of several lines, cleaned of what may not be stored.
    pub fn block(&mut self, name: &str) -> Sent<String> {
        self.text(name).map(|text| text::clean_block(&text))
    }

    fn text(&mut self, name: &str) -> Sent<String> {
        match self.object.get(name) {
            None => Sent::Absent,
            Some(Value::Null) => Sent::Null,
            Some(Value::String(value)) => Sent::Value(value.clone()),
            Some(_) => self.refuse(name, "Input should be a valid string", "string_type"),
        }
    }

    /// A whole number; `"7"` and `7.0` are 7.
    pub fn integer(&mut self, name: &str) -> Sent<i64> {
        let found = match self.object.get(name) {
            None => return Sent::Absent,
            Some(Value::Null) => return Sent::Null,
            Some(value) => whole_number(value),
        };
        match found {
            Some(number) => Sent::Value(number),
            None => self.refuse(name, "Input should be a valid integer", "int_parsing"),
        }
    }

    /// True or false; `1`, `"yes"`, `"on"` and their like count.
    pub fn boolean(&mut self, name: &str) -> Sent<bool> {
        let found = match self.object.get(name) {
            None => return Sent::Absent,
            Some(Value::Null) => return Sent::Null,
            Some(Value::Bool(value)) => Some(*value),
            Some(Value::Number(number)) if number.as_f64() == Some(0.0) => Some(false),
            Some(Value::Number(number)) if number.as_f64() == Some(1.0) => Some(true),
            Some(Value::String(word)) => truth(word),
            Some(_) => None,
        };
        match found {
            Some(value) => Sent::Value(value),
            None => self.refuse(name, "Input should be a valid boolean", "bool_parsing"),
        }
    }

    /// A time in any ISO 8601 form, meant at `whereabouts` where it has no offset; a blank text
    /// is `null`.
    pub fn time(&mut self, name: &str, whereabouts: &Whereabouts<'_>) -> Sent<Timestamp> {
        let text = match self.line(name) {
            Sent::Value(text) if text.is_empty() => return Sent::Null,
            Sent::Value(text) => text,
            Sent::Null => return Sent::Null,
            Sent::Absent => return Sent::Absent,
        };
        match whereabouts.resolve(&text) {
            Ok(at) if is_in_range(at) => Sent::Value(at),
            Ok(_) => {
                self.refuse(name, "Input should be within the years 1 to 9999", "datetime_parsing")
            }
            Err(error) => self.refuse(name, &format!("Input {error}"), "datetime_parsing"),
        }
    }

    /// A bound in UTC: as [`Self::time`], and what lies beyond the first or last instant that can
    /// be stored bounds nothing.
    pub fn bound(&mut self, name: &str) -> Sent<Timestamp> {
        let text = match self.line(name) {
            Sent::Value(text) if !text.is_empty() => text,
            Sent::Absent => return Sent::Absent,
            Sent::Value(_) | Sent::Null => return Sent::Null,
        };
        match Whereabouts::default().resolve_bound(&text) {
            Ok(at) => Sent::Value(at),
            Err(error) => self.refuse(name, &format!("Input {error}"), "datetime_parsing"),
        }
    }

    /// The zone and the offset that were sent for times without an offset of their own. What
    /// names nothing is noted and left out.
    pub fn whereabouts(&mut self) -> (Option<String>, Option<i64>) {
        let offset_minutes = self.integer("timezone_offset_minutes").value();
        if let Err(error) = (Whereabouts { zone: None, offset_minutes }).time_zone() {
            self.refuse::<()>("timezone_offset_minutes", &format!("Input {error}"), "value_error");
            return (None, None);
        }
        let named = self.line("timezone").value().filter(|name| !name.is_empty());
        let zone = match named.as_deref().map(zone).transpose() {
            Ok(zone) => zone.and_then(|zone| zone.iana_name().map(str::to_owned)),
            Err(error) => {
                self.refuse::<()>("timezone", &format!("Input {error}"), "value_error");
                None
            }
        };
        (zone, offset_minutes)
    }

    /// The value of a field that must come; refuses `null` with `kind` as the expected type.
    pub fn required<T: Default>(&mut self, name: &str, sent: Sent<T>, kind: &str) -> T {
        match sent {
            Sent::Value(value) => value,
            Sent::Absent => {
                self.invalid.push(Invalid::missing(&[self.place, name]));
                T::default()
            }
            Sent::Null => {
                let message = format!("Input should be a valid {kind}");
                self.refuse::<T>(name, &message, &format!("{kind}_type"));
                T::default()
            }
        }
    }

    /// The value of a field that may be left out but not be `null`.
    pub fn not_null<T>(&mut self, name: &str, sent: Sent<T>, kind: &str) -> Option<T> {
        if matches!(sent, Sent::Null) {
            let message = format!("Input should be a valid {kind}");
            self.refuse::<T>(name, &message, &format!("{kind}_type"));
        }
        sent.value()
    }

    /// Notes what is wrong with a field.
    pub fn refuse<T>(&mut self, name: &str, message: &str, kind: &str) -> Sent<T> {
        // One reason a field is enough, and the first one is the cause.
        if !self.invalid.iter().any(|invalid| invalid.is_at(&[self.place, name])) {
            self.invalid.push(Invalid::new(&[self.place, name], message, kind));
        }
        Sent::Absent
    }

    /// Refuses the request when anything was wrong.
    pub fn finish(self) -> Result<(), Problem> {
        if self.invalid.is_empty() { Ok(()) } else { Err(Problem::invalid(self.invalid)) }
    }
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            // Beyond 2^53 a float no longer names one whole number.
            #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
            (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn truth(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}
