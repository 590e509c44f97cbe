//! What is pending, as text: who waits, for what, and for whom. It changes nothing.

use std::fmt::Write as _;
use std::panic::Location;

use super::Core;
use super::waits::{Holder, Waiting};
use crate::callback::CallbackKind;
use crate::observe::Place;
use crate::table::Key;

impl Core {
    /// One line for each thing that is pending; first of all a circle, where tasks wait for each other in one.
    pub(super) fn dump(&self) -> String {
        let tasks = Unfinished::of(self);
        let waits: Vec<Wait> =
            self.waits.borrow().waiting().map(|waiting| Wait::new(self, waiting)).collect();
        let mut text = tasks.circle(&waits).map_or_else(String::new, |circle| format!("{circle}\n"));
        let mut add = |what: &str, place: &'static Location<'static>| {
            text.push_str(&format!("{what} {}\n", Place(place)));
        };
        // Queued callbacks of other kinds belong to what is listed below.
        let ready = self.ready.borrow();
        let soon = ready.iter().filter(|entry| entry.kind == CallbackKind::Soon);
        soon.for_each(|entry| add(entry.kind.name(), entry.place));
        tasks.0.iter().for_each(|task| add("task", task.place));
        self.timers.borrow().places().for_each(|place| add("timer", place));
        self.sources.borrow().places().for_each(|(interest, place)| add(interest.watcher_name(), place));
        for wait in &waits {
            let Waiting { what, place, .. } = wait.waiting;
            let _ = writeln!(text, "{what} {}{}", Place(place), tasks.who_waits(wait));
        }
        text
    }
}

/// A wait, and who has what it waits for.
struct Wait {
    waiting: Waiting,
    holder: Option<Holder>,
}

impl Wait {
    fn new(core: &Core, waiting: Waiting) -> Wait {
        let holder = waiting.held.and_then(|held| (held.ask)(core, held.object));
        Wait { waiting, holder }
    }
}

struct Task {
    key: Key,
    place: &'static Location<'static>,
    /// Who awaits its outcome.
    joiner: Option<Key>,
}

/// The tasks that are not done.
struct Unfinished(Vec<Task>);

/// Why a task can not go on before another one does.
enum Why<'a> {
    Lock(&'a Wait),
    Join,
}

impl Unfinished {
    fn of(core: &Core) -> Unfinished {
        let tasks = core.tasks.borrow();
        Unfinished(tasks.unfinished().map(|(key, place, joiner)| Task { key, place, joiner }).collect())
    }

    /// By the place where it was spawned; among several of one place, by a number too.
    fn name(&self, key: Key) -> Option<String> {
        let place = self.0.iter().find(|task| task.key == key)?.place;
        let mut of_place = self.0.iter().filter(|task| task.place == place);
        let name = format!("task {}", Place(place));
        if of_place.clone().count() == 1 {
            return Some(name);
        }
        let number = of_place.position(|task| task.key == key).expect("it was found above") + 1;
        Some(format!("{name} no. {number}"))
    }

    /// Which task waits, and which one has what it waits for, where that is known.
    fn who_waits(&self, wait: &Wait) -> String {
        let waiter = wait.waiting.task.and_then(|task| self.name(task));
        let holder = wait.holder.map(|holder| {
            let name = holder.task.and_then(|task| self.name(task));
            let by = name.map_or_else(String::new, |name| format!(" by {name}"));
            format!("held{by} since {}", Place(holder.place))
        });
        let known: Vec<String> = waiter.into_iter().chain(holder).collect();
        if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
    }

    /// Tasks of which each waits for the next one, and the last one for the first: none of them goes on by itself.
    fn circle(&self, waits: &[Wait]) -> Option<String> {
        self.0.iter().find_map(|first| {
            let path = self.path(first.key, first.key, waits, &mut Vec::new())?;
            Some(self.tell_circle(first.key, &path))
        })
    }

    /// The steps from one task to another, each to a task that the one before waits for. Tasks in `seen` lead nowhere new.
    fn path<'a>(
        &self,
        from: Key,
        to: Key,
        waits: &'a [Wait],
        seen: &mut Vec<Key>,
    ) -> Option<Vec<(Why<'a>, Key)>> {
        for (why, next) in self.waited_for(from, waits) {
            if next == to {
                return Some(vec![(why, next)]);
            }
            if !seen.contains(&next) {
                seen.push(next);
                if let Some(mut path) = self.path(next, to, waits, seen) {
                    path.insert(0, (why, next));
                    return Some(path);
                }
            }
        }
        None
    }

    /// The tasks that `task` waits for.
    fn waited_for<'a>(&self, task: Key, waits: &'a [Wait]) -> Vec<(Why<'a>, Key)> {
        let holder = |wait: &Wait| wait.holder.and_then(|holder| holder.task);
        let locks = waits.iter().filter(|wait| wait.waiting.task == Some(task));
        let locks = locks.filter_map(|wait| holder(wait).map(|holder| (Why::Lock(wait), holder)));
        let joined = self.0.iter().filter(|other| other.joiner == Some(task));
        locks.chain(joined.map(|other| (Why::Join, other.key))).collect()
    }

    fn tell_circle(&self, first: Key, path: &[(Why<'_>, Key)]) -> String {
        let name = |key| self.name(key).unwrap_or_else(|| "a task that has ended".to_owned());
        let steps = path.iter().map(|(why, next)| match why {
            Why::Lock(wait) => {
                let taken = wait.holder.map_or(wait.waiting.place, |holder| holder.place);
                let (what, asked) = (wait.waiting.what, Place(wait.waiting.place));
                format!("waits at {asked} for the {what} taken at {} by {}", Place(taken), name(*next))
            }
            Why::Join => format!("waits for the end of {}", name(*next)),
        });
        format!("circle {} {}", name(first), steps.collect::<Vec<_>>().join(", which "))
    }
}
