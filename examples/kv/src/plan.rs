//! What the clients are going to do: drawn before anything runs, so that a smaller failure has a smaller plan. It names
//! no driver and runs nothing.

use std::time::Duration;

/// Clients of a plan, at most.
const CLIENTS_MAX: usize = 7;
/// Operations of a client, at most, besides the reads at its end.
const OPERATIONS_MAX: usize = 52;
/// Counters, and registers, at most.
const KEYS_MAX: usize = 3;
const AMOUNT_MAX: usize = 9;
/// How long a client thinks after an operation: so many milliseconds less one at most.
const THINK_MAX: usize = 21;

/// The work of all clients.
#[derive(Debug)]
pub struct Plan {
    /// What each client does, one after the other.
    pub clients: Vec<Vec<Step>>,
    /// The keys that are used, counters first.
    pub keys: Vec<String>,
}

/// One operation, and how long its client thinks after it.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) command: Command,
    pub(crate) key: String,
    pub(crate) think: Duration,
}

/// What is done with a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// Increments it by so much, and retries until there is an answer.
    Apply(i64),
    Get,
    /// Sets it to a number, and asks once.
    Set(i64),
    /// Increments it by so much, and asks once.
    IncrBy(i64),
}

impl Plan {
    /// Draws a plan. `pick` draws what its first argument says, as an index below its second one; 0 is always the least work.
    pub fn draw(mut pick: impl FnMut(&str, usize) -> usize) -> Plan {
        let client_count = 1 + pick("more clients", CLIENTS_MAX);
        let key_count = 1 + pick("more keys", KEYS_MAX);
        let clients = (0..client_count).map(|client| {
            let site = |what: &str| format!("client-{client}'s {what}");
            let sites = ["commands", "keys", "amounts", "thoughts"].map(site);
            let operations = 1 + pick(&site("more operations"), OPERATIONS_MAX);
            (0..operations).map(|_| Step::draw(&sites, key_count, &mut pick)).collect()
        });
        let clients = clients.collect();
        let keys = (0..key_count).map(counter).chain((0..key_count).map(register)).collect();
        Plan { clients, keys }
    }
}

impl Step {
    fn draw(
        [commands, keys, amounts, thoughts]: &[String; 4],
        key_count: usize,
        pick: &mut impl FnMut(&str, usize) -> usize,
    ) -> Step {
        let command = pick(commands, 10);
        let key = pick(keys, key_count);
        let amount = 1 + pick(amounts, AMOUNT_MAX) as i64;
        let (command, key) = match command {
            0..=5 => (Command::Apply(amount), counter(key)),
            6 => (Command::Get, counter(key)),
            7 => (Command::Get, register(key)),
            8 => (Command::Set(amount), register(key)),
            _ => (Command::IncrBy(amount), register(key)),
        };
        Step { command, key, think: Duration::from_millis(pick(thoughts, THINK_MAX) as u64) }
    }
}

fn counter(number: usize) -> String {
    format!("counter-{number}")
}

fn register(number: usize) -> String {
    format!("register-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shrinker comes to, which answers as much as it can with 0.
    #[test]
    fn the_least_plan_is_one_increment() {
        let Plan { clients, keys } = Plan::draw(|_, _| 0);
        assert_eq!(keys, ["counter-0", "register-0"]);
        let [steps] = clients.try_into().expect("one client");
        assert!(
            matches!(steps.as_slice(), [Step { command: Command::Apply(1), key, .. }] if key == "counter-0")
        );
    }

    #[test]
    fn the_largest_plan_has_as_much_of_everything_as_there_can_be() {
        let Plan { clients, keys } = Plan::draw(|_, n| n - 1);
        assert_eq!((clients.len(), keys.len()), (CLIENTS_MAX, 2 * KEYS_MAX));
        assert!(clients.iter().all(|steps| steps.len() == OPERATIONS_MAX));
    }
}
