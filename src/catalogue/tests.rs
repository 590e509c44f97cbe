//! Names of sites, and what the macros do where nobody is simulated.

use super::*;

#[test]
fn a_site_is_known_by_its_function() {
    assert_eq!(function_path("kv::store::apply::here"), "kv::store::apply");
    assert_eq!(function_path("kv::serve::{{closure}}::{{closure}}::here"), "kv::serve");
    assert_eq!(function_path("<kv::Store as kv::Get>::get::here"), "<kv::Store as kv::Get>::get");
}

#[cfg(feature = "catalogue")]
#[test]
fn what_is_said_twice_is_one_item_and_nameless_sites_are_counted() {
    let _ = || (crate::buggify!(), crate::buggify!(0.5), crate::buggify!("named"));
    let _ = || crate::sometimes!(true, "said twice");
    let _ = || crate::sometimes!(false, "said twice");
    let function =
        "twinloop::catalogue::tests::what_is_said_twice_is_one_item_and_nameless_sites_are_counted";
    let found = |name: &str| items().iter().find(|item| item.name() == name).map(|item| item.places().len());
    assert_eq!(found(function), Some(1));
    assert_eq!(found(&format!("{function} (2)")), Some(1));
    assert_eq!(found(&format!("{function} (3)")), None);
    assert_eq!(found("named"), Some(1));
    assert_eq!(found("said twice"), Some(2));
    assert!(items().iter().enumerate().all(|(number, item)| item.number() == number));
}

#[test]
#[should_panic(expected = "always: it holds: but not 3")]
#[cfg(debug_assertions)]
fn outside_of_simulations_always_is_a_debug_assertion() {
    crate::always!(1 + 1 == 2, "it holds");
    crate::always!(1 + 1 == 3, "it holds", "but not {}", 3);
}

#[test]
#[should_panic(expected = "unreachable: nobody comes here")]
#[cfg(debug_assertions)]
fn outside_of_simulations_unreachable_panics_in_debug_builds() {
    crate::unreachable!("nobody comes here");
}

#[test]
fn outside_of_simulations_nothing_else_is_evaluated() {
    let never = || -> bool { std::unreachable!("it is not evaluated") };
    crate::sometimes!(never(), "evaluated");
    assert!(!crate::buggify!("evaluated", f64::from(u8::from(never()))));
}
