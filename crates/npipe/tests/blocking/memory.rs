//! What an idle connection costs.

use crate::support::Puppet;
use crate::{NAME, Place};

/// No rule: the aim is at most 8 KiB in the server and 16 KiB in both, beyond what the kernel keeps for the socket.
#[test]
fn idle_connections_are_small() {
    const CONNECTIONS: u64 = 500;
    let place = Place::new();
    let (mut server, mut client) = (Puppet::start(&place), Puppet::start(&place));
    let mut connect = |from: u64, to: u64| {
        for number in from..to {
            assert_eq!(server.ask(&format!("create byte {NAME}")), number.to_string());
            assert_eq!(client.ask(&format!("open rw {NAME}")), number.to_string());
            assert_eq!(client.ask(&format!("write {number} question")), "8");
            assert_eq!(server.ask(&format!("read {number} 100")), "question");
            assert_eq!(server.ask(&format!("write {number} answer")), "6");
            assert_eq!(client.ask(&format!("read {number} 100")), "answer");
        }
        [&mut server, &mut client].map(|child| child.ask("pss").parse::<u64>().unwrap())
    };
    // The first ones pay for what is paid once.
    let before = connect(0, 20);
    let after = connect(20, 20 + CONNECTIONS);
    let [in_server, in_client] = [0, 1].map(|side| after[side].saturating_sub(before[side]) / CONNECTIONS);
    println!("an idle connection: {in_server} bytes in the server, {in_client} in the client");
    assert!(in_server <= 8 * 1024, "{in_server} bytes in the server");
    assert!(in_server + in_client <= 16 * 1024, "{in_server} + {in_client} bytes");
}
