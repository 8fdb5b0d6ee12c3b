//! Acting as a client, as far as it is the same on every system.

use npipe::impersonation::{as_process, revert_to_self, set_thread_token, thread_token};

use crate::{Place, text};

/// semantics 261, 263: guards within one another, and what takes their place.
#[test]
fn a_thread_acts_as_its_client_and_comes_back() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"it is me").unwrap();
    assert_eq!(text(&server), "it is me");
    assert!(thread_token().is_none());
    let outer = server.impersonate_client().unwrap();
    let token = thread_token().expect("it acts as the client");
    assert_eq!(token.level(), outer.level());
    let inner = token.impersonate().unwrap();
    drop(outer);
    assert!(thread_token().is_some(), "the inner one counts");
    as_process(|| {
        assert!(thread_token().is_none());
        set_thread_token(Some(&token)).unwrap();
    });
    assert!(thread_token().is_some());
    drop(inner);
    assert!(thread_token().is_none());
    set_thread_token(Some(&token)).unwrap();
    drop(token.impersonate().unwrap());
    assert!(thread_token().is_some(), "what was set is left");
    revert_to_self();
    assert!(thread_token().is_none());
}
