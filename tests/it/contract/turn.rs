//! The order of a turn.

use std::cell::RefCell;
use std::rc::Rc;

use super::run;
use twinloop::{spawn, yield_now};

/// R5, R6: tasks run in the order of spawning, and one that goes on waits for the next turn.
#[test]
fn spawned_tasks_run_in_order_once_a_turn() {
    run(|| async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let order = Rc::clone(&order);
                spawn(async move {
                    order.borrow_mut().push(number);
                    yield_now().await;
                    order.borrow_mut().push(number + 10);
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 10, 11, 12]);
        Ok(())
    });
}
