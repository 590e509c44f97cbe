//! The bugs, by what they teach.

mod books;
mod clocks;
mod messages;
mod scheduling;
mod streams;

use crate::Bug;

/// All of them.
pub const BUGS: &[Bug] = &[
    messages::LATEST_WINS,
    messages::ADDED_TWICE,
    messages::RETRIED_TWICE,
    messages::UNCHECKED,
    streams::HALF_A_MESSAGE,
    streams::PART_OF_A_WRITE,
    streams::CLOSED_AT_HALF,
    streams::KEPT_OPEN,
    books::NOT_SYNCED,
    books::RENAMED_TOO_EARLY,
    books::WRITTEN_IN_PLACE,
    books::ERROR_SWALLOWED,
    clocks::WALL_CLOCK_AGE,
    clocks::STALE_LEADER,
    clocks::GIVES_UP_ON_A_NAME,
    scheduling::LOST_WAKE_UP,
    scheduling::LEAKED_ON_CANCEL,
    scheduling::LAST_COME_FIRST_SERVED,
    scheduling::CHECK_THEN_ACT,
    scheduling::READ_MODIFY_WRITE,
    scheduling::OVERTAKEN,
    scheduling::NEVER_TRIED,
];
