//! What the statements about events share: columns, an event with its people and channel, and a page
//! of those.

macro_rules! columns {
    () => {
        "e.id, e.organizer_token, e.channel_id, e.title, e.description, e.starts_at, e.ends_at,
            e.zone, e.location, e.is_private, e.approval_required, e.rsvps_closed,
            e.rsvps_close_at, e.capacity, e.score, e.scored_at, e.created_at, e.modified_at,
            e.accessed_at, e.revision, e.sequence"
    };
}

// An event, its people by index alone, and its channel.
macro_rules! summary {
    ($from:expr, $tail:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            ",
            (SELECT CAST(COALESCE(SUM(1 + r.companions), 0) AS BIGINT) FROM rsvps r
                WHERE r.event_id = e.id AND r.reply = 'yes'
                    AND r.approval IN ('approved', 'pending', 'rejected')),
            (SELECT CAST(COALESCE(SUM(1 + r.companions), 0) AS BIGINT) FROM rsvps r
                WHERE r.event_id = e.id AND r.reply = 'yes' AND r.approval = 'approved'),
            (SELECT CAST(COALESCE(SUM(1 + r.companions), 0) AS BIGINT) FROM rsvps r
                WHERE r.event_id = e.id AND r.reply = 'yes'
                    AND r.approval IN ('approved', 'pending')),
            (SELECT COUNT(*) FROM rsvps r WHERE r.event_id = e.id AND r.approval = 'pending'),
            c.id, c.name, c.slug, c.visibility, c.score, c.scored_at, c.created_at, c.last_used_at
        FROM ",
            $from,
            " LEFT JOIN channels c ON c.id = e.channel_id WHERE ",
            $tail
        )
    };
}

// A page of events. The index alone tells which they are, so that what is passed over before a late
// page costs next to nothing: PostgreSQL would count the people of each. (`CROSS` keeps the order of
// the two on SQLite.)
macro_rules! page {
    ($which:literal, $order:literal, $slice:literal) => {
        summary!(
            concat!(
                "(SELECT e.id FROM events e ",
                $which,
                " ORDER BY ",
                $order,
                " ",
                $slice,
                ") p CROSS JOIN events e"
            ),
            concat!("e.id = p.id ORDER BY ", $order)
        )
    };
}
