//! Very many instances of one name.

use std::time::Instant;

use npipe::{InstanceState, PipeServer};

use crate::{NAME, Place, announce, error};

/// semantics 13, 38, 46-48, 196-197: a thousand of them are created, listed and opened, and no more than that.
#[test]
fn a_thousand_instances() {
    const INSTANCES: usize = 1000;
    let place = Place::new();
    let start = Instant::now();
    let servers: Vec<PipeServer> = (0..INSTANCES).map(|_| place.bytes().create(NAME).unwrap()).collect();
    let entries = place.namespace().list().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].instances as usize, INSTANCES);
    for server in &servers {
        let client = place.client().open(NAME).unwrap();
        client.write(b"x").unwrap();
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 1);
        // The end of a client that has gone keeps its instance.
        drop(client);
    }
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!(details.instance_count as usize, INSTANCES);
    // As many as fit in one answer.
    let listed = details.instances.len();
    assert!(listed >= INSTANCES / 2, "{listed} instances are described");
    assert!(
        details
            .instances
            .iter()
            .all(|instance| instance.state != InstanceState::Listening)
    );
    drop(servers);
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    let spent_ms = start.elapsed().as_millis();
    announce(&format!(
        "{INSTANCES} instances of one name: all created, opened and closed in {spent_ms} ms; `info` describes {listed} of them"
    ));
}

/// semantics 28-29: the most that can be asked for is kept to, and a place is free the moment that its instance is closed.
#[test]
fn the_stated_maximum_is_the_maximum() {
    const MOST: usize = 254;
    let place = Place::new();
    let mut options = place.bytes();
    options.max_instances(MOST);
    let mut servers: Vec<PipeServer> = (0..MOST).map(|_| options.create(NAME).unwrap()).collect();
    for _ in 0..10 {
        assert_eq!(error(options.create(NAME)), "ERROR_PIPE_BUSY");
        servers.pop();
        servers.push(options.create(NAME).unwrap());
    }
}
