//! Very many connections, and what each costs.

use crate::{NAME, Place, Puppet, announce, number};

/// The processes that the clients are spread over.
const CLIENTS: usize = 4;

/// semantics 38, 92: one process serves 10,000 connections of one name, all of them alive at once.
#[test]
fn ten_thousand_connections() {
    const CONNECTIONS: usize = 10_000;
    /// They pay for what is paid once.
    const FIRST: usize = 100;
    /// What a process has once, at most, the namespace directory among it.
    const ONCE: u64 = 5;
    let place = Place::new();
    let mut server = Puppet::start(&place);
    let at_first = server.ask("count_descriptors");
    if server.ask(&format!("room {}", CONNECTIONS + 100)) == "none" {
        announce("left out, since so many descriptors are not to be had: ten_thousand_connections");
        return;
    }
    let mut clients: Vec<Puppet> = (0..CLIENTS).map(|_| Puppet::start(&place)).collect();
    let mut connect = |count: usize| -> [u64; 4] {
        number(&server.ask(&format!("create byte {NAME} rules=600 count={count}")));
        for client in &mut clients {
            client.tell(&format!("open rw {NAME} count={}", count / CLIENTS));
        }
        for client in &mut clients {
            number(&client.answer());
            client.tell("chat");
        }
        assert_eq!(server.ask("chat"), "done");
        for client in &mut clients {
            assert_eq!(client.answer(), "done");
        }
        let mut in_clients = |what: &str| clients.iter_mut().map(|client| number(&client.ask(what))).sum();
        [
            number(&server.ask("count_descriptors")),
            number(&server.ask("pss")),
            in_clients("count_descriptors"),
            in_clients("pss"),
        ]
    };
    let before = connect(FIRST);
    let after = connect(CONNECTIONS - FIRST);
    let each = |place: usize| after[place].saturating_sub(before[place]) / (CONNECTIONS - FIRST) as u64;
    let maps = server.ask("maps");
    announce(&format!(
        "{CONNECTIONS} connections: {} descriptor each, {} bytes of server memory each (PSS); {} descriptor and {} bytes in \
         the client; {maps} mappings in the server",
        each(0),
        each(1),
        each(2),
        each(3)
    ));
    assert_eq!((each(0), each(2)), (1, 1), "descriptors for each connection");
    assert!(each(1) <= 5 * 1024, "{} bytes in the server", each(1));

    // Nothing stays behind but what the process has once.
    drop(clients);
    assert_eq!(server.ask("drop"), "dropped");
    let once = number(&at_first) + ONCE;
    assert_eq!(server.ask(&format!("until_at_most {once}")), "done");
}
